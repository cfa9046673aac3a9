"""Loopback interface, this machine's address and the lines of /etc/hosts."""

import fcntl
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Interface
from pathlib import Path

# Requests of netdevice(7); an address on lo:0 is a second one of the loopback interface.
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCGIFADDR, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8915, 0x8916, 0x891C
_IFF_UP = 0x1
_REQUEST_BYTES = 40

CLUSTER_NAMES = (
    "keda-add-ons-http-external-scaler.keda",
    "keda-add-ons-http-interceptor-proxy.keda",
    "keda-add-ons-http-interceptor-admin.keda",
)


def bring_up_loopback(*networks: IPv4Interface) -> None:
    """Bring lo up and make every address of these networks local; OSError without the right to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack_from("H", answer, 16)[0] | _IFF_UP
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags))
        for index, network in enumerate(networks):
            alias = f"lo:{index}"
            fcntl.ioctl(control, _SIOCSIFADDR, _address_request(alias, str(network.ip)))
            fcntl.ioctl(control, _SIOCSIFNETMASK, _address_request(alias, str(network.netmask)))


def machine_address() -> str | None:
    """Return the first IPv4 address of this machine outside 127/8, None when it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for _, name in socket.if_nameindex():
            request = struct.pack(f"{_REQUEST_BYTES}s", name.encode())
            try:
                answer = fcntl.ioctl(control, _SIOCGIFADDR, request)
            except OSError:
                continue
            address = socket.inet_ntoa(answer[20:24])
            if not address.startswith("127."):
                return address
    return None


def hosts_lines(names: Sequence[str], mark: str = "") -> str:
    """Return lines for /etc/hosts that resolve cluster DNS names to this machine.

    A name `service.namespace` also resolves with `.svc` and `.svc.cluster.local` after it, as the
    search path of a pod would have it.
    """
    suffixes = ("", ".svc", ".svc.cluster.local")
    return "".join(
        " ".join(["127.0.0.1", *(name + suffix for suffix in suffixes if _fits(name, suffix))])
        + (f" {mark}\n" if mark else "\n")
        for name in dict.fromkeys((*CLUSTER_NAMES, *names))
    )


def replace_marked_lines(path: Path, mark: str, lines: str) -> None:
    """Put lines with a mark into a hosts file in place of the earlier ones with that mark.

    In place, not by renaming: a container runtime mounts /etc/hosts as a single file.
    """
    before = path.read_text()
    others = [line for line in before.splitlines(keepends=True) if not line.rstrip().endswith(mark)]
    if others and not others[-1].endswith("\n"):
        others[-1] += "\n"
    after = "".join(others) + lines
    if after != before:
        path.write_text(after)


def _fits(name: str, suffix: str) -> bool:
    return not suffix or name.count(".") == 1


def _address_request(interface: str, address: str) -> bytes:
    packed = socket.inet_aton(address)
    return struct.pack("16sHH4s16x", interface.encode(), socket.AF_INET, 0, packed)
