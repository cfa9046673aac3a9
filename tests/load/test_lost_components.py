"""Components that are killed under load: what is lost, and how soon the rate is read again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.load.apps import LoadedApp, loaded_app
from tests.load.loads import Answer, lost, told

pytestmark = pytest.mark.load

NAMESPACE = "load-kills"
RATE = 250
SECONDS = 35
REPLICAS = 3
PATIENCE_SECONDS = 60
METRIC = (
    f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/s0-http_vllm_rate"
    "?labelSelector=scaledobject.keda.sh%2Fname%3Dvllm"
)
# A proxy before the interceptor tries again what reached no interceptor, for some four seconds.
RETRY = f"""\
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {{name: retry, namespace: {NAMESPACE}}}
spec: {{retry: {{attempts: 30, initialInterval: 100ms}}}}
"""
CONTROL_LOOP = ("keda-operator", "keda-adapter", "http-add-on-scaler")
INTERCEPTOR = "http-add-on-interceptor"
ANSWER_SECONDS = 0.4
BREAK_SECONDS = 0.5
MIDDLEWARES = "traefik.ingress.kubernetes.io/router.middlewares"


@pytest.fixture(scope="module")
def app(loaded_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedApp]:
    """A stack whose replicas would go within seconds if the rate seemed to be none."""
    folder = tmp_path_factory.mktemp("kills")
    with loaded_app(
        loaded_sandbox,
        folder,
        NAMESPACE,
        windowSeconds=5,
        scaleDownSeconds=10,
        scaleDown={"pods": 5, "periodSeconds": 15},
        scaleUp={"pods": 5, "periodSeconds": 15},
    ) as made:
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


def test_a_killed_control_loop_costs_no_request_and_no_replica(app: LoadedApp) -> None:
    said: list[str] = []
    with app.watch() as watch:
        load = app.send(RATE, SECONDS)
        watch.until(REPLICAS, since=load.began, patience_seconds=PATIENCE_SECONDS)
        settled = time.time()
        for name in (*CONTROL_LOOP, "kube-apiserver"):
            killed = time.time()
            app.sandbox.run("restart", name, "--kill")
            said.append(f"{name} {recovered(app, killed):.1f} s")
        print("rate read again after the kill of " + ", ".join(said))
        assert time.time() < load.ends, "the load ended before the rate was read again"
        answers = load.answers()
        counts = {count.desired for count in watch.between(settled, load.ends)}
        assert counts == {REPLICAS}, watch.steps(load.began)
        watch.until(1, since=load.ends, patience_seconds=PATIENCE_SECONDS)
    assert not lost(answers), told(answers)
    assert len(answers) == RATE * SECONDS
    print(told(answers))


def in_flight(answer: Answer, killed: float, again: float) -> bool:
    """Whether a request was under way at a moment between the command to kill and its end."""
    return answer.sent <= again and answer.sent + answer.seconds >= killed


@pytest.fixture
def retried(app: LoadedApp) -> LoadedApp:
    """The stack behind a Traefik that tries again."""
    app.sandbox.apply(RETRY)
    annotations = {MIDDLEWARES: f"{NAMESPACE}-retry@kubernetescrd"}
    ingress = {"host": "{app}.{namespace}.localhost", "annotations": annotations}
    app.project.succeed("config", "set", "ingress", json.dumps(ingress))
    app.project.up()
    return app


def test_an_interceptor_that_ends_costs_no_request_and_one_that_is_killed_those_in_flight(
    retried: LoadedApp,
) -> None:
    with retried.watch() as watch:
        load = retried.send(RATE, 25, headers=[f"X-Stand-In-Seconds: {ANSWER_SECONDS}"])
        watch.until(REPLICAS, since=load.began, patience_seconds=PATIENCE_SECONDS)
        settled = time.time()
        retried.sandbox.run("restart", INTERCEPTOR)
        ended = recovered(retried, settled)
        killed = time.time()
        retried.sandbox.run("restart", INTERCEPTOR, "--kill")
        again = time.time()
        after = recovered(retried, killed)
        assert time.time() < load.ends
        answers = load.answers()
        counts = {count.desired for count in watch.between(settled, load.ends)}
    assert counts == {REPLICAS}, watch.steps(load.began)
    missed = lost(answers)
    print(
        f"rate read again after the end of the only interceptor {ended:.1f} s, after its kill "
        f"{after:.1f} s; lost by the kill: {told(missed)}"
    )
    assert not (outside := [a for a in missed if not in_flight(a, killed, again)]), told(outside)
    # Those that a killed process was answering break at the same moment, whatever it had begun.
    ends = sorted(answer.sent + answer.seconds for answer in missed)
    assert ends[-1] - ends[0] < BREAK_SECONDS, told(missed)
