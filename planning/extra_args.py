"""Review of `serverExtraArgs`: what may follow the planned flags of `vllm serve`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from catalog.flags import FlagList, is_option, option_name
from settings.credentials import looks_secret
from settings.mistakes import Mistake

_KEY: Final = "serverExtraArgs"

# Flags that only the plan may set, and what to do instead. Sizing, the Service and the probes
# depend on their values, so a second value would make the plan wrong without a sign.
_OWNED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "--model": "set `model` instead",
        "--revision": "set `revision` instead",
        "--served-model-name": "set `servedModelName` instead",
        "--max-model-len": "set `maxModelLen` instead",
        "--max-num-seqs": "set `maxNumSeqs` instead",
        "--max-num-batched-tokens": "set `maxNumBatchedTokens` instead",
        "--gpu-memory-utilization": "set `gpuMemoryUtilization` instead",
        "--dtype": "set `dtype` instead",
        "--quantization": "set `quantization` instead",
        "--kv-cache-dtype": "set `kvCacheDtype` instead",
        "--tensor-parallel-size": "choose a `preset` with the GPUs you want instead",
        "--pipeline-parallel-size": "set `multiNode` instead",
        "--nnodes": "set `multiNode` instead",
        "--node-rank": "remove it: each pod of a group has its own",
        "--master-addr": "remove it: the group's first pod is the master",
        "--host": "remove it: the Service and the probes expect the planned address",
        "--port": "remove it: the Service and the probes expect the planned port",
        "--shutdown-timeout": "remove it: it has to agree with the pod's grace period",
        "--uds": "remove it: the Service and the probes need a port",
        "--headless": "remove it: the Service and the probes need an HTTP server",
        "--grpc": "remove it: the Service and the probes need an HTTP server",
        # vLLM takes it off the front of a path before it looks for /v1, and Starlette routes both
        # ways (AuthenticationMiddleware in vllm/entrypoints/openai/server_utils.py, 0.31.0).
        "--root-path": "remove it: the ingress routes /v1, and with another root vLLM would ask "
        "nobody for an API key",
        "--ssl-certfile": "set `ingress` TLS instead: the probes speak plain HTTP",
        "--ssl-keyfile": "set `ingress` TLS instead: the probes speak plain HTTP",
        "--config": "list its flags here instead: the plan cannot check a file in the container",
    }
)

# Flags whose GPUs or GPU memory the plan does not count.
_UNCOUNTED: Final = frozenset(
    {
        "--cpu-offload-gb",
        "--data-parallel-size",
        "--decode-context-parallel-size",
        "--enable-lora",
        "--kv-cache-memory-bytes",
        "--mm-ipc-gpu-memory-gb",
        "--num-gpu-blocks-override",
        "--prefill-context-parallel-size",
        "--spec-model",
        "--speculative-config",
    }
)

_SECRET_FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "--api-key": "set `ingress` auth to apiKey, or give VLLM_API_KEY from a Secret",
        "--hf-token": "set the secret `huggingFaceToken`, or `huggingFaceTokenSecret`",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedArgs:
    """What the review allows: no `args` at all when anything was refused.

    `replaced` names the planned flags that give way to `args`. No message quotes a user's value.
    """

    args: tuple[str, ...] = ()
    replaced: frozenset[str] = frozenset()
    refusals: tuple[Mistake, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Occurrence:
    """One option as the user wrote it, with the values up to the next; empty for stray values."""

    option: str
    values: tuple[str, ...]

    @property
    def shown(self) -> str:
        return f"`{self.option.partition('=')[0]}`"


def review_extra_args(
    extra: Sequence[str], planned: Mapping[str, str], flags: FlagList
) -> ReviewedArgs:
    """Check the user's arguments against the planned {flag: value} and the version's flag list.

    A secret, a flag that only the plan may set, and what vLLM's parser is known to reject are
    refused. Any other planned flag gives way to the user's with a warning; a flag that the version
    does not list, or whose memory the plan does not count, is a warning too.
    """
    occurrences = _occurrences(extra)
    refusals = [_refusal(occurrence, planned, flags) for occurrence in occurrences]
    warnings = [
        "" if refusal else _warning(occurrence, planned, flags)
        for occurrence, refusal in zip(occurrences, refusals, strict=True)
    ]
    refused = tuple(refusal for refusal in refusals if refusal)
    warned = tuple(f"{_KEY}: {warning}" for warning in warnings if warning)
    if refused:
        return ReviewedArgs(refusals=refused, warnings=warned)
    named = {_named(occurrence.option, flags) for occurrence in occurrences}
    replaced = frozenset(named & planned.keys())
    return ReviewedArgs(args=tuple(extra), replaced=replaced, warnings=warned)


def named_flags(extra: Sequence[str], flags: FlagList) -> frozenset[str]:
    """Give the flags that arguments name, each in its canonical long spelling."""
    return frozenset(_named(occurrence.option, flags) for occurrence in _occurrences(extra))


def is_owned(flag: str) -> bool:
    """Tell whether only the plan may set a flag, given in its canonical long spelling."""
    return flag in _OWNED


def _occurrences(extra: Sequence[str]) -> tuple[_Occurrence, ...]:
    grouped: list[tuple[str, list[str]]] = []
    for argument in extra:
        if is_option(argument):
            grouped.append((argument, []))
        elif grouped:
            grouped[-1][1].append(argument)
        else:
            grouped.append(("", [argument]))
    return tuple(_Occurrence(option, tuple(values)) for option, values in grouped)


def _named(option: str, flags: FlagList) -> str:
    """Name the flag meant; an unlisted one keeps its own name, an ambiguous one has none."""
    candidates = flags.candidates(option) or (option_name(option),)
    return candidates[0] if len(candidates) == 1 else ""


def _refusal(
    occurrence: _Occurrence, planned: Mapping[str, str], flags: FlagList
) -> Mistake | None:
    shown = occurrence.shown
    if looks_secret(occurrence.option) or any(map(looks_secret, occurrence.values)):
        return _mistake(
            "an argument looks like a secret",
            rule="anyone who sees the pod can read its command line",
            remedy="remove it, and give it as a variable from a Secret",
        )
    if any(re.match(r"--?[A-Za-z][\w.-]*\s", value) for value in occurrence.values):
        wrong = "a flag and its value share one element"
        return _mistake(wrong, rule="vLLM reads that as a value", remedy="write two")
    if not occurrence.option or occurrence.option == "--":
        wrong = "it holds a value that belongs to no flag"
        return _mistake(wrong, rule="the model comes from `model`", remedy="remove it")
    named = _named(occurrence.option, flags)
    if named in _SECRET_FLAGS:
        wrong = f"{shown} puts a secret on the command line"
        rule = "anyone who sees the pod can read it"
        return _mistake(wrong, rule=rule, remedy=_SECRET_FLAGS[named])
    if named in _OWNED:
        value = f" (`{planned[named]}`)" if named in planned else ""
        rule = f"only the plan sets it{value}"
        return _mistake(f"{shown} sets {named}", rule=rule, remedy=_OWNED[named])
    return _arity_refusal(occurrence, flags.kinds.get(named, ""))


def _arity_refusal(occurrence: _Occurrence, kind: str) -> Mistake | None:
    shown, rule = occurrence.shown, "vLLM would not start"
    given = "=" in occurrence.option or bool(occurrence.values)
    glued = not occurrence.option.startswith("--")  # as in -O3
    if kind in {"bool", "switch"} and given:
        return _mistake(f"{shown} takes no value", rule=rule, remedy="write the flag alone")
    if kind == "value" and not given and not glued:
        return _mistake(f"{shown} has no value", rule=rule, remedy="add it as the next element")
    return None


def _mistake(wrong: str, *, rule: str, remedy: str) -> Mistake:
    return Mistake(key=_KEY, wrong=wrong, rule=rule, remedy=remedy)


def _warning(occurrence: _Occurrence, planned: Mapping[str, str], flags: FlagList) -> str:
    shown, version = occurrence.shown, f"vLLM {flags.version}"
    candidates = flags.candidates(occurrence.option)
    if not candidates:
        near = flags.nearest(occurrence.option)
        hint = f"did you mean `{near}`?" if near else "see `vllm serve --help=all`"
        note = f" ({flags.note})" if flags.note else ""
        return f"{shown} is not a flag of {version}{note}; the server would not start; {hint}"
    flag, *others = candidates
    if others:
        named = f"{flag}, {others[0]}" + (f" and {len(others) - 1} more" if others[1:] else "")
        return f"{shown} is short for {named} in {version}; it has to mean one; write it in full"
    if flag in planned:
        return (
            f"{shown} replaces the planned `{f'{flag} {planned[flag]}'.strip()}`, which the "
            "model's makers or the GPU ask for; remove it unless you mean to"
        )
    if flag in _UNCOUNTED:
        return f"{shown} changes GPU memory or count, which the plan did not count; check it"
    return ""
