"""Components that are killed under load: what is lost, and how soon the rate is read again."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from sandbox.state import REPOSITORY
from tests.cluster.sandboxes import Sandbox
from tests.load.apps import LoadedApp, loaded_app
from tests.load.history import LONGEST_SECONDS, PATIENCE_SECONDS, STAY_SECONDS
from tests.load.loads import Answer, Load, lost, told

pytestmark = pytest.mark.load

NAMESPACE = "load-kills"
RATE = 250
REPLICAS = 3
METRIC = (
    f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/s0-http_vllm_rate"
    "?labelSelector=scaledobject.keda.sh%2Fname%3Dvllm"
)
CONTROL_LOOP = ("keda-operator", "keda-adapter", "http-add-on-scaler")
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


def test_a_killed_control_loop_costs_no_request_and_no_replica(app: LoadedApp) -> None:
    said: list[str] = []
    with app.watch() as watch:
        load = app.send(RATE, LONGEST_SECONDS)
        watch.until(REPLICAS, since=load.began, patience_seconds=PATIENCE_SECONDS)
        settled = time.time()
        for name in (*CONTROL_LOOP, "kube-apiserver"):
            killed = time.time()
            app.sandbox.run("restart", name, "--kill")
            said.append(f"{name} {recovered(app, killed):.1f} s")
            wait_scaling(app)
        time.sleep(STAY_SECONDS)
        ended = time.time()
        answers = answers_of(load)
        watch.until(1, since=ended, patience_seconds=PATIENCE_SECONDS)
    print("rate read again after the kill of " + ", ".join(said))
    print(told(answers))
    assert {count.desired for count in watch.between(settled, ended)} == {REPLICAS}
    assert not lost(answers), told(answers)


@pytest.fixture
def retried(app: LoadedApp) -> LoadedApp:
    """The stack behind a Traefik that tries again, by the Middleware that the documentation shows.

    So it sends again what reached no interceptor, and what one was answering when it went.
    """
    documented = (REPOSITORY / "docs" / "autoscaling.md").read_text(encoding="utf-8")
    (middleware,) = re.findall(r"^```yaml\n(.*?)^```", documented, re.M | re.S)
    app.sandbox.apply(middleware.replace("NAMESPACE", NAMESPACE))
    annotations = {MIDDLEWARES: f"{NAMESPACE}-retry@kubernetescrd"}
    ingress = {"host": "{app}.{namespace}.localhost", "annotations": annotations}
    app.project.succeed("config", "set", "ingress", json.dumps(ingress))
    app.project.up()
    app.wait_answered()
    return app


@pytest.mark.parametrize("kill", [(), ("--kill",)], ids=["ended", "killed"])
def test_the_only_interceptor_may_go_behind_a_traefik_that_retries_without_a_lost_request(
    retried: LoadedApp, kill: tuple[str, ...]
) -> None:
    slow = [f"X-Stand-In-Seconds: {ANSWER_SECONDS}"]
    with retried.watch() as watch:
        load = retried.send(RATE, LONGEST_SECONDS, headers=slow)
        watch.until(REPLICAS, since=load.began, patience_seconds=PATIENCE_SECONDS)
        settled = time.time()
        retried.sandbox.run("restart", INTERCEPTOR, *kill)
        after = recovered(retried, settled)
        time.sleep(STAY_SECONDS)
        ended = time.time()
        answers = answers_of(load)
        watch.until(1, since=ended, patience_seconds=PATIENCE_SECONDS)
    print(f"rate read again after {after:.1f} s; {told(answers)}")
    # What waits for an interceptor that is long away comes at once, and may ask for more.
    assert min(count.desired for count in watch.between(settled, ended)) == REPLICAS
    assert not lost(answers), told(lost(answers))
