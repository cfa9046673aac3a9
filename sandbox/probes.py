"""Readiness of a component, asked the way a kubelet would."""

import http.client
import socket
import ssl
import struct
from dataclasses import dataclass
from pathlib import Path

# Of a busy machine; where nobody listens, the answer comes at once.
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class HttpProbe:
    """Ready when a GET on loopback answers 200."""

    port: int
    path: str
    tls: bool = False
    # Directory with admin.crt and admin.key, for paths that only an administrator may read.
    credentials: Path | None = None

    def __call__(self) -> bool:
        """Ask once; any failure means not ready."""
        try:
            connection = self._connection()
            connection.request("GET", self.path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def _connection(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_SECONDS)
        # Like a kubelet's probes: health endpoints serve certificates that they make themselves.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if self.credentials:
            context.load_cert_chain(self.credentials / "admin.crt", self.credentials / "admin.key")
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=_TIMEOUT_SECONDS, context=context
        )


@dataclass(frozen=True, kw_only=True)
class TcpProbe:
    """Ready when a connection on loopback is accepted."""

    port: int

    def __call__(self) -> bool:
        """Ask once."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=_TIMEOUT_SECONDS):
                return True
        except OSError:
            return False


@dataclass(frozen=True, kw_only=True)
class DnsProbe:
    """Ready when a query over UDP on loopback is answered."""

    port: int

    def __call__(self) -> bool:
        """Ask once, for the address of kubernetes.default."""
        header = struct.pack("!6H", 1, 0, 1, 0, 0, 0)
        try:
            with socket.socket(type=socket.SOCK_DGRAM) as client:
                client.settimeout(_TIMEOUT_SECONDS)
                client.connect(("127.0.0.1", self.port))
                client.send(header + b"\x0akubernetes\x07default\x00\x00\x01\x00\x01")
                return bool(client.recv(512))
        except OSError:
            return False


@dataclass(frozen=True, kw_only=True)
class FileProbe:
    """Ready when a file exists that the component makes once it serves."""

    path: Path

    def __call__(self) -> bool:
        """Ask once."""
        return self.path.exists()


Probe = HttpProbe | TcpProbe | DnsProbe | FileProbe
