"""The host of the address from outside: its template filled in, and whether it is a DNS name."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from planning.errors import PlanError
from planning.names import Names
from settings.mistakes import Mistake

LONGEST_LABEL = 63
LONGEST_NAME = 253
"""Characters of a label and of a whole name (RFC 1035 2.3.4, without the root's dot)."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes a browser read the whole host as an IPv4 address (URL Standard, 3.5)."""


def plan_host(names: Names, template: str, *, domain: str | None) -> str:
    """Fill in a template of a host, in lower case.

    Args:
        names: the app, its namespace and its stack.
        template: may hold {app}, {namespace}, {stack} and {domain}.
        domain: what {domain} stands for; it may hold the others.

    Raises:
        PlanError: the host is none that an Ingress, an HTTPRoute and a URL all take.
    """
    host = template.replace("{domain}", domain or "")
    for placeholder, value in (
        ("{app}", names.app),
        ("{namespace}", names.namespace),
        ("{stack}", names.stack),
    ):
        host = host.replace(placeholder, value)
    host = host.lower()
    mistake = _mistake(host)
    if mistake is not None:
        raise PlanError(mistake)
    return host


def _mistake(host: str) -> Mistake | None:
    broken = next(_broken_rules(host), None)
    if broken is None:
        return None
    rule, remedy = broken
    return Mistake(key="ingress.host", wrong=f"{host!r} is refused", rule=rule, remedy=remedy)


def _broken_rules(host: str) -> Iterator[tuple[str, str]]:
    """Each rule that a host breaks, with its remedy, the most telling first."""
    labels = host.split(".")
    longest = max(labels, key=len)
    if unknown := _PLACEHOLDER.search(host):
        yield (
            "its placeholders are {app}, {namespace}, {stack} and {domain}",
            f"correct {unknown.group()}",
        )
    if _is_address(host):
        yield (
            "an Ingress and an HTTPRoute answer on a name, not on an IP address",
            "point a DNS name at the address, and set that",
        )
    if not all(_LABEL.fullmatch(label) for label in labels):
        yield (
            "a host is a DNS name: labels of a-z, 0-9 and '-' between dots, without scheme, "
            "port, path, wildcard or a dot at the end",
            "write it like llm.example.com; letters outside a-z in Punycode",
        )
    if len(longest) > LONGEST_LABEL:
        yield (
            f"a label of a DNS name has {LONGEST_LABEL} characters at most, and '{longest}' has "
            f"{len(longest)}",
            "shorten it, or write ingress.host without the placeholder that makes it long",
        )
    if len(host) > LONGEST_NAME:
        yield (
            f"a DNS name has {LONGEST_NAME} characters at most, and this one {len(host)}",
            "shorten it",
        )
    if _NUMBER.fullmatch(labels[-1]):
        yield (
            "the last label of a DNS name is no number, since URLs take such a host for an IP "
            "address",
            "write it like llm.example.com",
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
