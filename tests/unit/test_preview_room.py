"""What of the presets is left in a preview that has little room for them."""

from dataclasses import replace
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from planning.explain import preview_lines
from planning.plan import Verdict
from planning.table import short_table
from tests.choices import of_vendor, planned


@cache
def many() -> tuple[Verdict, ...]:
    return planned(of_vendor("nvidia")[:42]).verdicts


@given(most=st.integers(-60, 60), chosen=st.integers(0, 41))
def test_a_short_table_holds_the_chosen_row_and_a_neighbour_however_little_room_there_is(
    most: int, chosen: int
) -> None:
    rows = [replace(one, chosen=place == chosen) for place, one in enumerate(many())]
    lines = short_table(rows, most=most, more="make explain")
    assert len(lines) <= max(most, 4)
    assert lines[1].startswith(f"> {rows[chosen].preset[:15]}")
    beside = [rows[place].preset for place in (chosen - 1, chosen + 1) if 0 <= place < len(rows)]
    assert any(line[2:].split()[0] in beside for line in lines[2:])
    left = len(rows) - (len(lines) - 2)
    assert lines[-1].startswith(f"  and {left} more, ") or len(lines) == len(rows) + 1


def test_a_preview_with_long_names_and_many_notes_keeps_the_chosen_row() -> None:
    plan = planned(of_vendor("nvidia"))
    crowded = replace(plan, notes=(*plan.notes, *(f"note {number}" for number in range(12))))
    lines = preview_lines(crowded)
    assert sum(line.startswith("> ") for line in lines) == 1
    assert len(lines) <= len(preview_lines(plan)) + 12
