"""Kinds of values in the stack config, and what one value alone must satisfy."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

_CPUS = re.compile(r"[1-9][0-9]{0,17}m?")
_BYTES = re.compile(r"[1-9][0-9]{0,17}(k|M|G|T|Ki|Mi|Gi|Ti)?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SECRET_KEY = re.compile(r"(?!\.$|\.\.)[-._a-zA-Z0-9]+")
_DURATION = re.compile(r"(?=[0-9])([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?")
"""Go counts nanoseconds in 64 bits (292 years), which no six digits of each unit exceed."""

_URL = re.compile(r"https?://[^\s/@?#]+(/[^\s@]*)?")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_EMAIL_DOMAIN = re.compile(r"\*|(\*?\.)?[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[-a-zA-Z0-9]+)*")
_COMPONENT = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    r"((\[[0-9a-fA-F:]+\]|[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?)(:[0-9]+)?/)?"
    rf"{_COMPONENT}(/{_COMPONENT})*"
    r"(?=[:@])(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
"""A reference as container runtimes read it (github.com/distribution/reference, regexp.go)."""


def plain_to_text(value: object) -> object:
    """Turn a number into its text and leave anything else alone."""
    # YAML reads `cpu: 8` as a number; Kubernetes takes both.
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def rule(message: str, *, remedy: str) -> PydanticCustomError:
    """Refuse a value, with what it must be as the rule of the mistake, and what to write."""
    return PydanticCustomError("rule", "{message}", {"message": message, "remedy": remedy})


def _check_cpus(value: str) -> str:
    if not _CPUS.fullmatch(value):
        raise rule(
            "is a number of CPUs, or of thousandths with an 'm', as a Kubernetes quantity",
            remedy="write it like 8 or 500m",
        )
    return value


def _check_bytes(value: str) -> str:
    if not _BYTES.fullmatch(value):
        raise rule(
            "is a number of bytes, as a Kubernetes quantity in canonical form",
            remedy="write it like 32Gi or 500M",
        )
    return value


def _check_absolute(value: str) -> str:
    if not value.startswith("/") or ".." in value.split("/"):
        raise rule("is an absolute path without '..'", remedy="write it like /mnt/models")
    return value


def _check_dns_label(value: str) -> str:
    if len(value) > 63 or not _DNS_LABEL.fullmatch(value):
        raise rule(
            "is a DNS label: a-z, 0-9 and '-', at most 63 characters",
            remedy="write it like llm-team",
        )
    return value


def _check_service_name(value: str) -> str:
    if not _SERVICE_NAME.fullmatch(value):
        # RFC 1035, loosened with Kubernetes 1.36 only (KEP-5311); with what the program appends,
        # names have up to 63 characters.
        raise rule(
            "is a-z, 0-9 and '-', begins with a letter and has at most 40 characters",
            remedy="write it like vllm-7b",
        )
    return value


def _check_label_value(value: str) -> str:
    if not _LABEL_VALUE.fullmatch(value):
        raise rule(
            "is the value of a label: letters, digits, '-', '_' and '.', at most 63",
            remedy="write it like team-a, with a letter or digit at each end",
        )
    return value


def _check_filled(value: str) -> str:
    if not value.strip():
        raise rule("is not empty", remedy="give it a value")
    return value


def _check_dns_subdomain(value: str) -> str:
    if len(value) > 253 or not all(_DNS_LABEL.fullmatch(label) for label in value.split(".")):
        raise rule(
            "is a DNS subdomain: a-z, 0-9 and '-', joined by dots, at most 253 characters",
            remedy="write it like hugging-face or a.example.com",
        )
    return value


def _check_storage_class(value: str) -> str:
    # Without a name, the claim waits for a volume that somebody makes.
    return _check_dns_subdomain(value) if value else value


def _check_driver(value: str) -> str:
    # Kubernetes, ValidateCSIDriverName.
    lower = value.lower()
    if len(value) > 63 or not all(_DNS_LABEL.fullmatch(label) for label in lower.split(".")):
        raise rule(
            "is the name of a CSI driver: letters, digits and '-', joined by dots, at most 63 "
            "characters",
            remedy="write it like nfs.csi.k8s.io, as 'kubectl get csidrivers' has it",
        )
    return value


def _check_served_name(value: str) -> str:
    if value and (value.startswith("-") or not value.strip() or not value.isprintable()):
        raise rule(
            "is a text of printable characters without '-' at its start, where vLLM reads a flag",
            remedy="write it like mistral-7b, or remove it for the name of the repository",
        )
    return value


def _check_secret_key(value: str) -> str:
    if len(value) > 253 or not _SECRET_KEY.fullmatch(value):
        raise rule(
            "is an entry of a Secret: letters, digits, '-', '_' and '.', with no '..' at its start",
            remedy="write it like api-key",
        )
    return value


def _check_duration(value: str) -> str:
    if not _DURATION.fullmatch(value):
        raise rule(
            "is a duration of hours, minutes and seconds, of at most 6 digits each",
            remedy="write it like 1h0m0s or 90s",
        )
    return value


def _check_url(value: str) -> str:
    if not _URL.fullmatch(value) or not _has_host_and_port(value):
        raise rule(
            "is an address with http:// or https:// and a host, without a user or password, and "
            "with a port of 1 to 65535 if any",
            remedy="write it like https://login.example.com",
        )
    return value


def _has_host_and_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise rule("is the name of an HTTP header", remedy="write it like X-Forwarded-User")
    return value


def _check_email_domain(value: str) -> str:
    if not _EMAIL_DOMAIN.fullmatch(value):
        raise rule(
            "is a domain, with a dot before it for those below it, without '@'",
            remedy="write it like example.com or .example.com",
        )
    return value


def _check_printable(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise rule(
            "is a text of printable characters that is not empty",
            remedy="remove line breaks and control characters, or give it a value",
        )
    return value


def _check_image(value: str) -> str:
    if not _IMAGE.fullmatch(value) or value.endswith(":latest"):
        raise rule(
            "is an image, without https://, with a fixed tag or digest; 'latest' changes under a "
            "running stack",
            remedy="write it like vllm/vllm-openai:v0.31.0",
        )
    return value


def _check_revision(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", value):
        raise rule(
            "is a commit sha of 40 hex digits; a branch changes under a running stack",
            remedy="copy all 40 digits from the commits of the repository",
        )
    return value


MOST_REPLICAS = 1000
"""Far above what a pool of GPUs holds, and far below what Kubernetes counts in 32 bits."""

Budget = Annotated[int, Field(ge=10, le=604800)]
"""Seconds of a limit, up to a week: Kubernetes counts most of them in 32 bits."""

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
GroupId = Annotated[int, Field(ge=0, le=2**31 - 1)]
Cpus = Annotated[str, BeforeValidator(plain_to_text), AfterValidator(_check_cpus)]
Bytes = Annotated[str, BeforeValidator(plain_to_text), AfterValidator(_check_bytes)]
AbsolutePath = Annotated[str, AfterValidator(_check_absolute)]
DnsLabel = Annotated[str, AfterValidator(_check_dns_label)]
ServiceName = Annotated[str, AfterValidator(_check_service_name)]
LabelValue = Annotated[str, AfterValidator(_check_label_value)]
Filled = Annotated[str, AfterValidator(_check_filled)]
DnsSubdomain = Annotated[str, AfterValidator(_check_dns_subdomain)]
StorageClass = Annotated[str, AfterValidator(_check_storage_class)]
Driver = Annotated[str, AfterValidator(_check_driver)]
ServedName = Annotated[str, AfterValidator(_check_served_name)]
Image = Annotated[str, AfterValidator(_check_image)]
Revision = Annotated[str, AfterValidator(_check_revision)]
Duration = Annotated[str, AfterValidator(_check_duration)]
SecretKey = Annotated[str, AfterValidator(_check_secret_key)]
Url = Annotated[str, AfterValidator(_check_url)]
Text = Annotated[str, BeforeValidator(plain_to_text)]
HeaderName = Annotated[str, AfterValidator(_check_header)]
EmailDomain = Annotated[str, AfterValidator(_check_email_domain)]
Printable = Annotated[str, AfterValidator(_check_printable)]


class Section(BaseModel):
    """A part of the stack config: camelCase keys, unknown ones refused, values never printed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=False,
    )
