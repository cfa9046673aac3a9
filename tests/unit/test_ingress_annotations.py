"""What a user's annotations would change of the address that the stack puts out."""

from typing import Any

import pytest

from planning.exposure import ingress_warnings
from settings.ingress import Ingress, ingress_mistakes
from settings.mistakes import Mistake

TRAEFIK = "traefik.ingress.kubernetes.io"


def mistakes(ingress: dict[str, Any]) -> list[Mistake]:
    return list(ingress_mistakes(Ingress.model_validate({"host": "llm.example.com"} | ingress)))


@pytest.mark.parametrize(
    "annotation",
    [
        f"{TRAEFIK}/router.tls.certresolver",
        f"{TRAEFIK}/router.tls.options",
        f"{TRAEFIK}/router.tls.domains.0.main",
        f"{TRAEFIK}/Router.TLS.certResolver",
    ],
)
def test_what_alone_makes_traefik_answer_on_tls_is_refused_where_the_address_says_http(
    annotation: str,
) -> None:
    annotations = {annotation: "acme"}
    (mistake,) = mistakes({"annotations": annotations})
    assert annotation in mistake.wrong
    assert mistake.remedy == "remove it, and set ingress.tls.kind to controller"
    assert mistakes({"annotations": annotations, "tls": {"kind": "controller"}}) == []


def test_the_annotation_that_tls_writes_is_refused_in_any_case() -> None:
    annotations = {f"{TRAEFIK}/Router.TLS": "false"}
    (mistake,) = mistakes({"annotations": annotations, "tls": {"kind": "controller"}})
    assert mistake.key == "ingress.annotations"


@pytest.mark.parametrize("spelling", ["router.entrypoints", "router.entryPoints"])
@pytest.mark.parametrize(
    ("tls", "said"),
    [({}, "http on port 80"), ({"tls": {"kind": "controller"}}, "https on port 443")],
)
def test_entry_points_of_the_user_s_own_are_warned_of(
    spelling: str, tls: dict[str, Any], said: str
) -> None:
    keys = tls | {"auth": "apiKey", "annotations": {f"{TRAEFIK}/{spelling}": "websecure"}}
    asked = Ingress.model_validate({"host": "llm.example.com"} | keys)
    found = [text for text in ingress_warnings(asked) if text.startswith("ingress.annotations: ")]
    assert len(found) == 1
    assert said in found[0]
    off = asked.model_copy(update={"enabled": False})
    assert list(ingress_warnings(off)) == []
