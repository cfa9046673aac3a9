"""Which preset a model is refused whatever the memory, and why."""

from pathlib import Path

import pytest
import yaml

from catalog.loader import find_gpu
from planning.devices import device_of
from planning.product_labels import foreign_labels
from settings.models import Preset
from tests.choices import GPUS, chosen, planned, preset
from tests.unit.choice_refusals import SEVEN, refusal

ROOT = Path(__file__).resolve().parents[2]
PRODUCT, AMD_PRODUCT = "nvidia.com/gpu.product", "amd.com/gpu.product-name"


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
        (
            SEVEN,
            preset("h100-80", pool={"nodeSelector": {PRODUCT: "NVIDIA-L4"}}),
            {},
            "its node selector asks for NVIDIA-L4, which is 'l4'",
        ),
        (
            SEVEN,
            preset("l4", pool={"nodeSelector": {PRODUCT: "Tesla-T4-SHARED"}}),
            {"force": True},
            "its node selector asks for Tesla-T4-SHARED, which is 't4'",
        ),
        (
            SEVEN,
            preset("mi300x", pool={"nodeSelector": {AMD_PRODUCT: "AMD_Instinct_MI325_OAM"}}),
            {},
            "its node selector asks for AMD_Instinct_MI325_OAM, which is 'mi325x'",
        ),
        (
            SEVEN,
            preset("h100-80", mig="3g.40gb", pool={"nodeSelector": {PRODUCT: "NVIDIA-H200"}}),
            {},
            "its node selector asks for NVIDIA-H200, which is 'h200'",
        ),
        (
            SEVEN,
            preset(
                "h100-80",
                mig="3g.40gb",
                pool={
                    "nodeSelector": {"nvidia.com/mig-3g.40gb.product": "NVIDIA-H200-MIG-3g.40gb"}
                },
            ),
            {},
            "its node selector asks for NVIDIA-H200-MIG-3g.40gb, which is 'h200'",
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


def test_a_product_label_that_nobody_knows_is_a_warning_and_a_known_one_is_none() -> None:
    def warned(label: str) -> list[str]:
        pool = {"nodeSelector": {PRODUCT: label}}
        return [w for w in planned([preset("h100-80", pool=pool)]).warnings if "catalogue" in w]

    (warning,) = warned("NVIDIA-H100-80GB-HBM3e")
    assert f"'h100-80-1' asks for nodes whose {PRODUCT} is NVIDIA-H100-80GB-HBM3e" in warning
    for label in find_gpu("h100-80").product_labels:
        assert warned(label) == []


@pytest.mark.parametrize("file", sorted(ROOT.glob("presets/*.yaml")), ids=lambda file: file.name)
def test_the_committed_presets_ask_for_nodes_of_their_product(file: Path) -> None:
    for raw in yaml.safe_load(file.read_text())["presets"]:
        one = Preset.model_validate(raw)
        if not one.gpus:
            continue
        device = device_of(one, GPUS)
        assert device is not None
        for pool in one.node_pools:
            assert list(foreign_labels(device.key, pool.node_selector)) == [], one.name
