"""Why a GPU cannot serve a model whatever its memory: types, versions, drivers, processors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from catalog.records import Gpu, Model
from planning.overrides import Overrides, served_release
from planning.plan import Plan
from planning.product_labels import SHARED_SUFFIX, foreign_labels, whole_gpu
from settings.models import Preset

_ARCHITECTURE_LABEL = "kubernetes.io/arch"
# Labels of GPU feature discovery (k8s-device-plugin 1b826acc6); the second is the older spelling.
_DRIVER_LABELS = ("nvidia.com/cuda.driver-version.major", "nvidia.com/cuda.driver.major")
# NVIDIA's images are built for CUDA 13 since 0.20 (vLLM pull request 39878), which needs driver
# branch 580; CUDA 12 runs on 525 or newer (CUDA compatibility guide).
_CUDA_13_SINCE = (0, 20)
_CUDA_13_DRIVER = 580
_CUDA_12_DRIVER = 525

_PRODUCT_LABEL = "nvidia.com/gpu.product"
_SINGLE_STRATEGY = "-MIG-"
"""Stands in that label where the MIG strategy `single` calls instances nvidia.com/gpu (mig.go)."""


def refusal(model: Model, gpu: Gpu, preset: Preset, overrides: Overrides) -> str | None:
    """Give the first reason, in a few words, why the preset cannot serve the model; else None."""
    asked = dict(overrides.node_selector)
    reasons = (
        *_types(model, gpu, overrides),
        *_versions(model, gpu, overrides),
        *(
            reason
            for pool in preset.node_pools
            for reason in _nodes(gpu, pool.node_selector | asked, overrides)
        ),
    )
    return next(iter(reasons), None)


def _types(model: Model, gpu: Gpu, overrides: Overrides) -> Iterator[str]:
    quantization = overrides.quantization or model.quantization
    if not gpu.runs(quantization):
        runs = ", ".join(sorted((*gpu.native, *gpu.weight_only))) or "16 bits only"
        yield f"does not run {quantization} weights (it runs {runs})"
    if overrides.dtype and overrides.dtype not in gpu.dtypes:
        yield f"does not run dtype {overrides.dtype} (it runs {' and '.join(gpu.dtypes)})"
    # Values of bfloat16 can overflow float16, so nobody gets the conversion unasked; only a device
    # whose own flags say it (V100) takes it, with a warning.
    if not overrides.dtype and model.dtype not in gpu.dtypes and not converts(gpu):
        only = gpu.dtypes[0]
        yield f"{only} only; the model is {model.dtype} (dtype: {only} converts it)"
    if overrides.kv_cache_dtype != "auto" and not gpu.fp8_kv_cache:
        yield f"cannot keep a KV cache of kvCacheDtype {overrides.kv_cache_dtype}"


def converts(gpu: Gpu) -> bool:
    """Whether the device's own flags settle the type of the activations."""
    return "--dtype" in gpu.vllm_args


def _versions(model: Model, gpu: Gpu, overrides: Overrides) -> Iterator[str]:
    release = served_release(gpu, overrides)
    served = _numbers(release)
    if model.vllm_min and served < _numbers(model.vllm_min):
        last = "the last for this GPU" if gpu.vllm_newest else "of the image"
        yield f"vLLM {release}, {last}, lacks the model, which needs {model.vllm_min}"
    if gpu.vllm_oldest and served < _numbers(gpu.vllm_oldest):
        yield f"vLLM {release} of the image is older than {gpu.vllm_oldest}, the GPU's first"
    if gpu.vllm_newest and served > _numbers(gpu.vllm_newest):
        yield f"vLLM {release} of the image is newer than {gpu.vllm_newest}, the GPU's last"


def _nodes(gpu: Gpu, labels: dict[str, str], overrides: Overrides) -> Iterator[str]:
    for label in foreign_labels(gpu.key, labels):
        if label.product is not None:
            yield f"its node selector asks for {label.value}, which is '{label.product}'"
    product = labels.get(gpu.product_label_key, "")
    if product.endswith(SHARED_SUFFIX) and not overrides.force:
        yield f"its nodes share a GPU among pods ({product}), so no memory is certain; force tries"
    if _SINGLE_STRATEGY in (product := labels.get(_PRODUCT_LABEL, "")):
        yield f"its nodes use MIG strategy single ({product}), of which only mixed is supported"
    asked = labels.get(_ARCHITECTURE_LABEL, gpu.cpu_architecture)
    if asked != gpu.cpu_architecture:
        yield f"its nodes are {gpu.cpu_architecture}; the node selector asks for {asked}"
    lack = None if overrides.image else driver_lack(gpu, labels)
    if lack:
        yield lack


def driver_lack(gpu: Gpu, labels: Mapping[str, str]) -> str | None:
    """Say in a clause that a node's labels name a driver too old for the GPU's catalogued image."""
    driver = next((labels[name] for name in _DRIVER_LABELS if name in labels), "")
    if gpu.vendor != "nvidia" or not driver.isdecimal():
        return None
    cuda_13 = _numbers(gpu.image.vllm_version) >= _CUDA_13_SINCE
    needed = _CUDA_13_DRIVER if cuda_13 else _CUDA_12_DRIVER
    if int(driver) >= needed:
        return None
    return f"driver {driver} is older than {needed}, which the image needs"


def planned_driver_lack(plan: Plan, labels: Mapping[str, str]) -> str | None:
    """Say so of a planned pod's node; of an image that the stack names itself nothing is known."""
    gpu = whole_gpu(plan.placement.product)
    return driver_lack(gpu, labels) if plan.server.image == gpu.image.reference else None


def label_warnings(gpu: Gpu, preset: Preset, selector: Mapping[str, str]) -> Iterator[str]:
    """Warn of a product label that the catalogue does not know: a variant, or another GPU.

    Args:
        gpu: the preset's.
        preset: the chosen one.
        selector: of the stack, beside that of each pool.
    """
    labels = (
        label
        for pool in preset.node_pools
        for label in foreign_labels(gpu.key, {**pool.node_selector, **selector})
        if label.product is None
    )
    for label in dict.fromkeys(labels):
        yield (
            f"preset: '{preset.name}' asks for nodes whose {label}, which the catalogue does not "
            f"know as '{gpu.key}'; if it is another GPU, the model may not start"
        )


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))
