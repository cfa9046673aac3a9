"""Components that are killed under load: what is lost, and how soon the rate is read again."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sandbox.state import REPOSITORY
from tests.cluster.sandboxes import Sandbox
from tests.load.apps import LoadedApp, loaded_app
from tests.load.history import LONGEST_SECONDS, PATIENCE_SECONDS, STAY_SECONDS
from tests.load.loads import Answer, Load, lost, told
from tests.load.replicas import Count
from tests.load.turns import PulumiTurns, failures

pytestmark = pytest.mark.load

NAMESPACE = "load-kills"
RATE = 250
REPLICAS = 3
METRIC = (
    f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/s0-http_vllm_rate"
    "?labelSelector=scaledobject.keda.sh%2Fname%3Dvllm"
)
CONTROL_LOOP = ("keda-operator", "keda-adapter", "http-add-on-scaler")
API_SERVER = "kube-apiserver"
INTERCEPTOR = "http-add-on-interceptor"
ANSWER_SECONDS = 0.4
MIDDLEWARES = "traefik.ingress.kubernetes.io/router.middlewares"


@pytest.fixture(scope="module")
def app(loaded_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedApp]:
    """A stack whose replicas would go within seconds if the rate seemed to be none."""
    folder = tmp_path_factory.mktemp("kills")
    with loaded_app(
        loaded_sandbox,
        folder,
        NAMESPACE,
        windowSeconds=10,
        scaleDownSeconds=15,
        scaleDown={"pods": 5, "periodSeconds": 15},
        scaleUp={"pods": 5, "periodSeconds": 15},
    ) as made:
        made.wait_answered()
        yield made


@pytest.fixture(scope="module")
def pulumi(app: LoadedApp) -> Iterator[PulumiTurns]:
    """Pulumi's commands on that stack, from the first test to the last."""
    with PulumiTurns(app.project) as turns:
        yield turns


def rates(app: LoadedApp) -> list[float]:
    """What the autoscaler would read now, in requests/s; nothing while a part is away."""
    read = app.sandbox.try_kubectl("get", "--raw", METRIC)
    if read.returncode:
        return []
    # A quantity: 250, or with thousandths as 249800m.
    values = [str(item["value"]) for item in json.loads(read.stdout)["items"]]
    return [float(v.removesuffix("m")) / (1000 if v.endswith("m") else 1) for v in values]


def recovered(app: LoadedApp, since: float) -> float:
    """Wait until the autoscaler can read the rate of the load again; the s since then."""
    while not any(abs(rate - RATE) < 0.2 * RATE for rate in rates(app)):
        assert time.time() < since + PATIENCE_SECONDS, "no rate can be read"
        time.sleep(0.1)
    return time.time() - since


def wait_scaling(app: LoadedApp) -> None:
    """Wait until the autoscaler has read it too: kills in a row are to be no one long silence."""
    condition = 'jsonpath={.status.conditions[?(@.type=="ScalingActive")].status}'
    of_app = ("get", "hpa", "keda-hpa-vllm", f"--namespace={NAMESPACE}", "--output", condition)
    app.sandbox.eventually("True", *of_app)


def answers_of(load: Load) -> list[Answer]:
    """End a load that all the while had the rate which it should, and return what became of it."""
    load.stop()
    answers = load.answers()
    sent = [answer.sent for answer in answers]
    assert len(sent) / (max(sent) - min(sent)) == pytest.approx(RATE, rel=0.1)
    return answers


def test_a_killed_control_loop_costs_no_request_and_no_replica(
    app: LoadedApp, pulumi: PulumiTurns, figures: list[str]
) -> None:
    killed: dict[str, float] = {}
    back: dict[str, float] = {}
    with app.watch() as watch:
        load = app.send(RATE, LONGEST_SECONDS)
        watch.until(REPLICAS, since=load.began, patience_seconds=PATIENCE_SECONDS)
        settled = time.time()
        for name in (*CONTROL_LOOP, API_SERVER):
            killed[name] = time.time()
            app.sandbox.run("restart", name, "--kill")
            back[name] = recovered(app, killed[name])
            wait_scaling(app)
        time.sleep(STAY_SECONDS)
        ended = time.time()
        answers = answers_of(load)
        watch.until(1, since=ended, patience_seconds=PATIENCE_SECONDS)
    said = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in back.items())
    figures.append(f"rate read again after the kill of {said}; {told(answers)}")
    counts = watch.between(settled, ended)
    assert {count.desired for count in counts} == {count.ready for count in counts} == {REPLICAS}
    assert not lost(answers), told(answers)
    pulumi.wait_for_each()
    away = (killed[API_SERVER], killed[API_SERVER] + back[API_SERVER])
    assert failures(pulumi.turns, unreachable=away) == []


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """A load during which the only interceptor went and came back, in s since the epoch.

    The rate could be read again `recovered` seconds after it `went`.
    """

    answers: list[Answer]
    counts: list[Count]
    went: float
    recovered: float


def interrupt(app: LoadedApp, *kill: str) -> Interrupted:
    """Let the interceptor go under a load of answers that take a while, and start it at once.

    Raises:
        AssertionError: the count does not settle again at that of the load while it lasts.
    """
    slow = [f"X-Stand-In-Seconds: {ANSWER_SECONDS}"]
    with app.watch() as watch:
        load = app.send(RATE, LONGEST_SECONDS, headers=slow)
        watch.until(REPLICAS, since=load.began, patience_seconds=PATIENCE_SECONDS)
        went = time.time()
        app.sandbox.run("restart", INTERCEPTOR, *kill)
        after = recovered(app, went)
        time.sleep(STAY_SECONDS)
        # What waits for an interceptor that is long away comes at once, and may ask for more.
        watch.until(REPLICAS, since=time.time(), patience_seconds=PATIENCE_SECONDS)
        ended = time.time()
        answers = answers_of(load)
        watch.until(1, since=ended, patience_seconds=PATIENCE_SECONDS)
    counts = watch.between(went, ended)
    return Interrupted(answers=answers, counts=counts, went=went, recovered=after)


def test_a_killed_interceptor_loses_by_default_what_comes_until_it_is_back_and_no_replica(
    app: LoadedApp, pulumi: PulumiTurns, figures: list[str]
) -> None:
    seen = interrupt(app, "--kill")
    gone = lost(seen.answers)
    assert gone, "nothing was lost, so nothing was measured"
    ends = [answer.sent + answer.seconds for answer in gone]
    lasted = max(answer.sent for answer in gone) - seen.went
    figures.append(
        f"interceptor killed, without the Middleware: {len(gone)} of {len(seen.answers)} requests "
        f"lost, the last {lasted:.1f} s after the kill; rate read again after "
        f"{seen.recovered:.1f} s; {told(seen.answers)}"
    )
    # What it was answering, and what came while there was none.
    assert seen.went <= min(ends)
    assert lasted <= seen.recovered
    assert min(count.desired for count in seen.counts) == REPLICAS
    assert min(count.ready for count in seen.counts) == REPLICAS
    assert failures(pulumi.since(seen.went)) == []


@pytest.fixture
def retried(app: LoadedApp, pulumi: PulumiTurns) -> LoadedApp:
    """The stack behind a Traefik that tries again, by the Middleware that the documentation shows.

    So it sends again what reached no interceptor, and what one was answering when it went.
    """
    documented = (REPOSITORY / "docs" / "autoscaling.md").read_text(encoding="utf-8")
    (middleware,) = re.findall(r"^```yaml\n(.*?)^```", documented, re.M | re.S)
    app.sandbox.apply(middleware.replace("NAMESPACE", NAMESPACE))
    annotations = {MIDDLEWARES: f"{NAMESPACE}-retry@kubernetescrd"}
    ingress = {"host": "{app}.{namespace}.localhost", "annotations": annotations}
    with pulumi.paused():
        app.project.succeed("config", "set", "ingress", json.dumps(ingress))
        app.project.up()
    app.wait_answered()
    return app


@pytest.mark.parametrize("kill", [(), ("--kill",)], ids=["ended", "killed"])
def test_the_only_interceptor_may_go_behind_a_traefik_that_retries_without_a_lost_request(
    retried: LoadedApp, pulumi: PulumiTurns, kill: tuple[str, ...], figures: list[str]
) -> None:
    seen = interrupt(retried, *kill)
    figures.append(
        f"interceptor {'killed' if kill else 'ended'}, with the Middleware: rate read again after "
        f"{seen.recovered:.1f} s; {told(seen.answers)}"
    )
    assert min(count.desired for count in seen.counts) == REPLICAS
    assert min(count.ready for count in seen.counts) == REPLICAS
    assert not lost(seen.answers), told(lost(seen.answers))
    assert failures(pulumi.since(seen.went)) == []
