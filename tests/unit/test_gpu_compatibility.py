"""Which preset a model is refused whatever the memory, and why."""

import pytest

from settings.models import Preset
from tests.choices import chosen, preset
from tests.unit.choice_refusals import SEVEN, refusal


@pytest.mark.parametrize(
    ("model", "one", "asked", "reason"),
    [
        ("devstral-2", preset("mi210"), {}, "does not run fp8 weights"),
        ("mistral-large-3-nvfp4", preset("mi300x"), {}, "does not run nvfp4 weights"),
        (SEVEN, preset("v100-32"), {"dtype": "bfloat16"}, "does not run dtype bfloat16"),
        (SEVEN, preset("a100-80"), {"kv_cache_dtype": "fp8"}, "kvCacheDtype fp8"),
        (SEVEN, preset("mi210"), {"quantization": "fp8"}, "does not run fp8 weights"),
        (
            "ministral-3-14b-instruct-2512-bf16",
            preset("l40s"),
            {"image": "vllm/vllm-openai:v0.11.2"},
            "vLLM 0.11.2, of the image, lacks the model, which needs 0.12.0",
        ),
        (
            SEVEN,
            preset("v100-32"),
            {"image": "vllm/vllm-openai:v0.31.0"},
            "vLLM 0.31.0 of the image is newer than 0.19.1, the GPU's last",
        ),
        (
            SEVEN,
            preset("gh200-96", pool={"nodeSelector": {"kubernetes.io/arch": "amd64"}}),
            {},
            "its nodes are arm64; the node selector asks for amd64",
        ),
        (
            SEVEN,
            preset("l4", pool={"nodeSelector": {"nvidia.com/cuda.driver-version.major": "550"}}),
            {},
            "driver 550 is older than 580, which the image needs",
        ),
    ],
)
def test_a_gate_refuses_with_its_reason(
    model: str, one: Preset, asked: dict[str, object], reason: str
) -> None:
    assert reason in refusal(model, [one], **asked)


def test_the_stack_s_own_node_selector_counts_too() -> None:
    asked = (("kubernetes.io/arch", "arm64"),)
    assert "amd64; the node selector asks for arm64" in refusal(
        SEVEN, [preset("l4")], node_selector=asked
    )


def test_a_v100_takes_the_last_image_that_carries_it_and_refuses_what_that_cannot_serve() -> None:
    sized = chosen(SEVEN, [preset("v100-32")]).chosen.settled()[1]
    assert sized.engine.vllm_version == "0.19.1"
    text = refusal("voxtral-mini-4b-realtime-2602", [preset("v100-32")])
    assert "vLLM 0.19.1, the last for this GPU, lacks the model, which needs 0.20.0" in text


def test_an_unknown_product_is_one_mistake_with_a_hint() -> None:
    wrong = preset("l4").model_copy(update={"product": "l44"})
    text = refusal(SEVEN, [wrong, preset("l40s")])
    assert text.startswith("presets: 'l4-1' names the product 'l44'; the products are a10, ")
    assert "did you mean 'l4" in text


def test_a_product_of_the_other_vendor_is_a_mistake() -> None:
    text = refusal(SEVEN, [preset("mi300x").model_copy(update={"vendor": "nvidia"})])
    assert "names the vendor 'nvidia' for 'mi300x'" in text
    assert "set vendor to amd" in text
