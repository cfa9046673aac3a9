"""Prometheus, which the full tier starts where it is asked to."""

from string import Template

from sandbox.probes import HttpProbe
from sandbox.processes import Component
from sandbox.state import MANIFESTS, Settings
from tools import locate


def component(settings: Settings) -> Component:
    """Describe the metrics server: it scrapes port 8000 of every pod each second."""
    port = settings.ports.prometheus
    return Component(
        name="prometheus",
        command=(
            str(locate.program("prometheus")),
            f"--config.file={settings.prometheus}",
            f"--storage.tsdb.path={settings.prometheus_data}",
            "--storage.tsdb.retention.time=1d",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ),
        probe=HttpProbe(port=port, path="/-/ready"),
    )


def write_configuration(settings: Settings) -> None:
    """Write what it scrapes."""
    template = Template((MANIFESTS / "prometheus.yaml").read_text())
    values = {"KUBECONFIG": settings.kubeconfig, "MODEL_PORT": settings.ports.model}
    settings.prometheus.write_text(template.substitute(values))
