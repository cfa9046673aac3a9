"""How long a fresh `pulumi up` takes, measured against the same objects without the program."""

import pytest

from benchmarks.up import MOST_RATIO, measure, median_ratio

pytestmark = pytest.mark.cluster


def test_a_fresh_up_takes_little_longer_than_its_objects_do_without_the_program() -> None:
    pairs = measure(3, in_doubt=8)
    assert median_ratio(pairs) <= MOST_RATIO, pairs
