"""Settings, ports and names of the sandbox."""

import os
import socket
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import network, ports
from sandbox.__main__ import table
from sandbox.state import (
    DEFAULT_PORT_BASE,
    HIGHEST_OFFSET,
    Mode,
    Ports,
    Run,
    SandboxError,
    Settings,
    Tier,
    read_run,
    write_run,
)
from sandbox.tiers import State


def run(tier: Tier, mode: Mode) -> Run:
    return Run(tier=tier, mode=mode, address="198.18.0.1", port_base=DEFAULT_PORT_BASE)


def test_the_api_server_listens_on_16443_by_default() -> None:
    settings = Settings.from_environment({})
    assert settings.ports.apiserver == 16443
    assert settings.directory.parts[-2:] == (".state", "sandbox")


@pytest.mark.parametrize("value", ["", "http", "80", "65500", "-1", "16440.5", "²"])
def test_a_port_base_that_leaves_no_room_is_refused_with_the_rule(value: str) -> None:
    with pytest.raises(SandboxError) as caught:
        Settings.from_environment({"SANDBOX_PORT_BASE": value})
    for part in ("SANDBOX_PORT_BASE", repr(value), "from 1024 to 65473"):
        assert part in str(caught.value)


@given(st.integers(1024, 65535 - HIGHEST_OFFSET))
def test_two_sandboxes_63_ports_apart_share_none_outside_their_namespaces(base: int) -> None:
    numbers = list(ports.needed(Ports.counted_from(base), run("core", "direct")))
    numbers += list(ports.needed(Ports.counted_from(base), run("full", "namespace")))
    assert all(base <= number <= base + HIGHEST_OFFSET for number in numbers)


def test_no_two_purposes_share_a_port() -> None:
    numbers = asdict(Ports.counted_from(DEFAULT_PORT_BASE))
    del numbers["base"]
    # The first port of the range is etcd's.
    assert len(set(numbers.values())) == len(numbers)


def test_all_ports_of_the_components_are_checked_where_there_is_no_namespace() -> None:
    everything = asdict(Ports.counted_from(DEFAULT_PORT_BASE))
    # Only in or beside a namespace.
    for name in ("interceptor", "stand_in_control", "prometheus", "model", "dns"):
        del everything[name]
    wanted = ports.needed(Ports.counted_from(DEFAULT_PORT_BASE), run("full", "machine"))
    assert set(wanted) == set(everything.values())


def test_a_taken_port_is_named_with_its_purpose_its_holder_and_the_remedy() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(SandboxError) as caught:
            ports.require_free({port: "etcd"})
    for part in (f"port {port} for etcd", f"(pid {os.getpid()})", "SANDBOX_PORT_BASE"):
        assert part in str(caught.value)
    ports.require_free({port: "etcd"})


def test_the_record_of_a_start_is_read_as_written(tmp_path: Path) -> None:
    settings = Settings.from_environment({"SANDBOX_STATE": str(tmp_path)})
    assert read_run(settings) is None
    write_run(settings, run("full", "namespace"))
    assert read_run(settings) == run("full", "namespace")


def test_a_service_name_resolves_with_the_search_path_of_a_pod() -> None:
    lines = network.hosts_lines(("vllm.llm", "vllm.example.com")).splitlines()
    assert "127.0.0.1 vllm.llm vllm.llm.svc vllm.llm.svc.cluster.local" in lines
    assert "127.0.0.1 vllm.example.com" in lines


hosts_texts = st.lists(
    st.sampled_from(["127.0.0.1 localhost", "# comment", "", "::1 ip6 # other sandbox"])
).map("\n".join)


@given(text=hosts_texts, first=st.sets(st.just("a.b")), second=st.sets(st.just("c.d")))
def test_lines_put_into_a_hosts_file_replace_each_other_and_leave_no_trace(
    tmp_path_factory: pytest.TempPathFactory, text: str, first: set[str], second: set[str]
) -> None:
    path = tmp_path_factory.mktemp("hosts") / "hosts"
    path.write_text(text)
    mark = "# mistral-vllm-sandbox /x"
    for names in (first, second):
        network.replace_marked_lines(path, mark, network.hosts_lines(sorted(names), mark))
    own = [line for line in path.read_text().splitlines() if line.endswith(mark)]
    assert "".join(f"{line}\n" for line in own) == network.hosts_lines(sorted(second), mark)
    network.replace_marked_lines(path, mark, "")
    assert path.read_text().splitlines() == text.splitlines()


def test_the_table_lines_up_and_shows_what_has_ended() -> None:
    log = Path("/state/logs/x.log")
    shown = table(
        [
            State(name="etcd", pid=12345, ready=True, log=log),
            State(name="kube-apiserver", pid=None, ready=False, log=log),
        ]
    )
    heading, *rows = shown.splitlines()
    assert [row.split()[:3] for row in rows] == [
        ["etcd", "12345", "yes"],
        ["kube-apiserver", "-", "no"],
    ]
    assert {row.index("/state") for row in rows} == {heading.index("LOG")}
