"""What a refusal of every preset advises."""

import re

import pytest

from catalog.loader import find_model
from planning.remedies import quantised_siblings
from tests.choices import chosen, preset
from tests.unit.choice_refusals import SEVEN, SMALL, TIGHT, refusal, where


def test_a_named_preset_that_does_not_fit_names_the_cheapest_that_does() -> None:
    text = refusal(SMALL, [preset("l4"), preset("h100-80"), preset("h200")], wanted="l4-1")
    assert text.startswith("preset: mistralai/Mistral-Small-3.2-24B-Instruct-2506 does not fit on")
    assert "set preset to auto (the cheapest that fits is 'h100-80-1')" in text


def test_every_preset_is_listed_with_what_it_lacks() -> None:
    text = refusal("mistral-large-3", [preset("l4"), preset("h100-80", 2), preset("t4")])
    assert re.search(r"l4-1 lacks \d+\.\d GiB per GPU", text)
    assert re.search(r"h100-80-2 lacks \d+\.\d GiB per GPU", text)
    assert "t4-1: float16 only" in text


def test_each_advised_change_makes_the_model_fit() -> None:
    model, small = "ministral-3-14b-instruct-2512-bf16", [preset("l4", price=1)]
    text = refusal(model, small)
    sibling = re.search(r"set model to (\S+) \((\w+) weights, fits 'l4-1'\)", text)
    assert sibling is not None
    assert where(chosen(sibling[1], small))[0] == "l4-1"
    more = re.search(r"add a preset with (\d+) x l4", text)
    assert more is not None
    assert where(chosen(model, [preset("l4", int(more[1]))]))[0] == f"l4-{more[1]}"


def test_an_fp8_cache_is_advised_where_it_alone_is_enough() -> None:
    asked = {"max_model_len": 65536}
    assert "set kvCacheDtype to fp8 (fits 'rtx5090-2')" in refusal(SMALL, TIGHT, **asked)
    assert where(chosen(SMALL, TIGHT, kv_cache_dtype="fp8", **asked))[2] == 65536
    assert "kvCacheDtype" not in refusal(SMALL, TIGHT, max_model_len=131072)


def test_what_the_user_asked_for_is_named_when_it_alone_is_in_the_way() -> None:
    text = refusal(SEVEN, [preset("l4")], image="vllm/vllm-openai:v0.9.2")
    assert text.startswith("image: ")
    assert text.endswith("change or remove image")


@pytest.mark.parametrize(
    ("model", "sibling"),
    [
        ("ministral-3-14b-instruct-2512-bf16", "mistralai/Ministral-3-14B-Instruct-2512"),
        ("mistral-large-3", "mistralai/Mistral-Large-3-675B-Instruct-2512-NVFP4"),
        ("mistral-small-24b-instruct-2501", "stelterlab/Mistral-Small-24B-Instruct-2501-AWQ"),
    ],
)
def test_a_quantised_sibling_is_the_same_model_in_fewer_bytes(model: str, sibling: str) -> None:
    assert quantised_siblings(find_model(model))[0].id == sibling
