"""Whether the interceptor and the external scaler are where the stack config says."""

from __future__ import annotations

from collections.abc import Iterator

from lightkube import Client
from lightkube.core.exceptions import ApiError

from cluster.objects import is_forbidden
from cluster.observed_keda import ObservedService, read_service
from planning.scaling import Scaling, ServicePort
from settings.mistakes import Mistake

_KEY = "autoscaling.interceptor"
_RULE = "requests go through the interceptor, and KEDA asks the external scaler for their rate"


def interceptor_mistakes(scaling: Scaling, client: Client) -> list[Mistake]:
    """Refuse a Service or port that is not there; what the user may not read is passed over."""
    named = {"proxy": scaling.interceptor, "scaler": scaling.external_scaler}
    found: dict[str, ObservedService | None] = {}
    for role, place in named.items():
        try:
            found[role] = read_service(client, place.namespace, place.service)
        except ApiError as error:
            if not is_forbidden(error):
                raise
    if len(found) == len(named) and not any(found.values()):
        return [_no_add_on(scaling)]
    return [
        mistake
        for role, service in found.items()
        for mistake in _service_mistakes(role, named[role], service)
    ]


def _no_add_on(scaling: Scaling) -> Mistake:
    place = scaling.interceptor
    return Mistake(
        key=f"{_KEY}.namespace",
        wrong=f"in '{place.namespace}' there is neither a Service '{place.service}' nor "
        f"'{scaling.external_scaler.service}'",
        rule=_RULE,
        remedy="install the HTTP add-on (Helm chart kedacore/keda-add-ons-http), name the "
        "namespace that it is in, or disable autoscaling",
    )


def _service_mistakes(
    role: str, place: ServicePort, service: ObservedService | None
) -> Iterator[Mistake]:
    if service is None:
        yield Mistake(
            key=f"{_KEY}.{role}Service",
            wrong=f"there is no Service '{place.service}' in namespace {place.namespace}",
            rule=_RULE,
            remedy="name the one that the HTTP add-on has there ('kubectl get services "
            f"-n {place.namespace}')",
        )
    elif service.ports is not None and place.port not in service.ports:
        ports = ", ".join(str(port) for port in sorted(service.ports)) or "none"
        yield Mistake(
            key=f"{_KEY}.{role}Port",
            wrong=f"the Service '{place.service}' in namespace {place.namespace} has no port "
            f"{place.port}",
            rule=_RULE,
            remedy=f"set it to a port of that Service (it has {ports})",
        )
