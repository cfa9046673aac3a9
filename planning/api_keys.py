"""How the server is told its API keys, and which releases of vLLM can be told any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catalog.flags import FlagList
from planning.extra_args import named_flags
from planning.overrides import image_release
from settings.auth import AuthKind
from settings.mistakes import Mistake
from settings.secret_keys import split_api_keys

__all__ = [
    "API_KEY_FILE",
    "api_key_args",
    "api_key_mistakes",
    "api_key_warnings",
    "middleware_mistakes",
    "split_api_keys",
]

API_KEY_FILE = "/etc/vllm/api-keys/vllm.yaml"
"""Where the server reads its keys; `vllm serve --config` wants .yaml (argparse_utils.py)."""

_REDACTS = (0, 31)
"""The first vLLM of the catalogue whose log leaves API keys out (vllm-project/vllm#52523)."""


def api_key_args(kind: AuthKind) -> tuple[str, ...]:
    """Name the file with the keys on the command line, which the keys themselves never reach."""
    return ("--config", API_KEY_FILE) if kind == "apiKey" else ()


def api_key_mistakes(kind: AuthKind, release: str) -> tuple[Mistake, ...]:
    """Refuse API keys for a vLLM release that writes them into its log.

    Args:
        kind: of the authentication that is asked for.
        release: of vLLM, such as 0.31.0.
    """
    known = tuple(int(part) for part in release.split(".")[:2])
    if kind != "apiKey" or known >= _REDACTS:
        return ()
    return (
        Mistake(
            key="ingress.auth",
            wrong=f"apiKey is asked of vLLM {release}, which writes the keys into its log",
            rule="a key stands in its Secret alone; vLLM "
            f"{_REDACTS[0]}.{_REDACTS[1]} leaves it out of the log",
            remedy="choose a preset or an image with a newer vLLM, or another ingress.auth",
        ),
    )


def api_key_warnings(kind: AuthKind, image: str | None) -> Iterator[str]:
    """Warn of API keys for an image that nobody can tell the release of.

    Not a refusal, since an image by its digest alone is one too, and `force`, the way past a
    refusal, would waive the memory model as well.

    Args:
        kind: of the authentication that is configured.
        image: of the user's own; None where the plan chooses it.
    """
    if kind == "apiKey" and image and image_release(image) is None:
        yield (
            f"ingress.auth: apiKey, and the tag of '{image}' names no vLLM release; one before "
            f"{_REDACTS[0]}.{_REDACTS[1]} writes the keys into its log, for whoever reads that; "
            "name the release in the tag, which may stand before a digest (:v0.31.0@sha256:...)"
        )


def middleware_mistakes(
    kind: AuthKind, extra: Sequence[str], flags: FlagList
) -> tuple[Mistake, ...]:
    """Refuse code that would see a request before vLLM asks for its API key.

    vLLM adds `--middleware` last, and what is added last is outermost (build_app in
    vllm/entrypoints/openai/api_server.py, 0.31.0; Starlette's add_middleware).

    Args:
        kind: of the authentication that is configured.
        extra: the user's arguments of `vllm serve`.
        flags: of the release that will run.
    """
    if kind != "apiKey" or "--middleware" not in named_flags(extra, flags):
        return ()
    return (
        Mistake(
            key="serverExtraArgs",
            wrong="`--middleware` is set beside ingress.auth apiKey",
            rule="it runs before vLLM asks for a key, and may answer or change the path by itself",
            remedy="remove it, or let Traefik check callers (basic, forwardAuth, middleware, oidc)",
        ),
    )
