"""What each pod's address has served, what it is told to report, and its metrics."""

from bisect import bisect_left
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from sandbox.model_stand_in.answers import MODEL

# vLLM's buckets of vllm:time_to_first_token_seconds, in seconds.
_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
_LABELS = f'engine="0",model_name="{MODEL}"'


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a pod is told to report and do.

    `requests_running` None reports what is in flight. `time_to_first_token_seconds` is observed
    once at each scrape, besides the real ones. `answer_seconds` is how long an answer takes whose
    request names no time. A pod that is `loading` closes every connection that asks something.
    """

    requests_waiting: float = 0
    requests_running: float | None = None
    kv_cache_usage: float = 0
    time_to_first_token_seconds: float | None = None
    answer_seconds: float = 0
    loading: bool = False


@dataclass(kw_only=True)
class _Served:
    answers: Counter[int] = field(default_factory=Counter[int])
    running: int = 0
    first_tokens: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS) + 1))
    first_token_seconds: float = 0

    def observe(self, seconds: float) -> None:
        self.first_tokens[bisect_left(_BUCKETS, seconds)] += 1
        self.first_token_seconds += seconds


class Pods:
    """All pods' addresses, known from the first request that arrives at them."""

    def __init__(self) -> None:
        self._keys: dict[str | None, frozenset[str]] = {}
        self._all = Told()
        self._each: dict[str, dict[str, Any]] = {}
        self._served: dict[str, _Served] = {}

    def accept(self, address: str | None, keys: frozenset[str]) -> None:
        """Set the keys of one address; for None those of all, also where one had its own."""
        if address is None:
            self._keys.clear()
        self._keys[address] = keys

    def keys(self, address: str) -> frozenset[str]:
        """Return the keys that an address accepts; without any it lets everybody in."""
        return self._keys.get(address, self._keys.get(None, frozenset()))

    def told(self, address: str) -> Told:
        """Return what an address is told: for itself before for all."""
        return replace(self._all, **self._each.get(address, {}))

    def is_loaded(self, address: str) -> bool:
        """Tell whether an address takes connections."""
        return not self.told(address).loading

    def tell(self, address: str | None, values: dict[str, Any]) -> None:
        """Set values of one address; for None those of all, also where one had its own.

        Raises:
            ValueError: A value has no such name; the message lists the names.
        """
        known = {each.name for each in fields(Told)}
        if not values.keys() <= known:
            unknown = ", ".join(sorted(values.keys() - known))
            message = f"{unknown}: unknown; the names are {', '.join(sorted(known))}"
            raise ValueError(message)
        if address is not None:
            self._each.setdefault(address, {}).update(values)
            return
        self._all = replace(self._all, **values)
        for each in self._each.values():
            for name in values:
                each.pop(name, None)

    def begin(self, address: str) -> None:
        """Count a request that is in flight."""
        self._of(address).running += 1

    def end(self, address: str, status: int) -> None:
        """Count its end; status 0 is one without an answer."""
        served = self._of(address)
        served.running -= 1
        served.answers[status] += 1

    def first_token(self, address: str, seconds: float) -> None:
        """Count the wait for the first token of an answer."""
        self._of(address).observe(seconds)

    def state(self) -> dict[str, Any]:
        """Return everything that is known, by address."""
        return {
            address: {
                "answers": {str(status): count for status, count in served.answers.items()},
                "in_flight": served.running,
                "told": asdict(self.told(address)),
            }
            for address, served in self._served.items()
        }

    def metrics(self, address: str) -> str:
        """Return an address's metrics in Prometheus' text format."""
        told, served = self.told(address), self._of(address)
        if told.time_to_first_token_seconds is not None:
            served.observe(told.time_to_first_token_seconds)
        running = served.running if told.requests_running is None else told.requests_running
        lines = [
            *_gauge("vllm:num_requests_running", running),
            *_gauge("vllm:num_requests_waiting", told.requests_waiting),
            *_gauge("vllm:kv_cache_usage_perc", told.kv_cache_usage),
            "# TYPE vllm:request_success_total counter",
            f'vllm:request_success_total{{{_LABELS},finished_reason="stop"}} {served.answers[200]}',
            *_histogram("vllm:time_to_first_token_seconds", served),
        ]
        return "\n".join(lines) + "\n"

    def _of(self, address: str) -> _Served:
        return self._served.setdefault(address, _Served())


def _gauge(name: str, value: float) -> tuple[str, str]:
    return f"# TYPE {name} gauge", f"{name}{{{_LABELS}}} {value}"


def _histogram(name: str, served: _Served) -> list[str]:
    lines = [f"# TYPE {name} histogram"]
    total = 0
    for bound, count in zip((*_BUCKETS, "+Inf"), served.first_tokens, strict=True):
        total += count
        lines.append(f'{name}_bucket{{{_LABELS},le="{bound}"}} {total}')
    lines.append(f"{name}_sum{{{_LABELS}}} {served.first_token_seconds}")
    lines.append(f"{name}_count{{{_LABELS}}} {total}")
    return lines
