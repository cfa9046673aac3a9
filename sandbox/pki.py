"""Keys and certificates of the control plane, made by the openssl program."""

import base64
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox.state import ALIAS, CONTEXT, SandboxError, Settings

_DAYS = "3650"
_API_SERVER_NAMES = (
    "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
    f"IP:127.0.0.1,IP:10.96.0.1,IP:{ALIAS}"
)
# One certificate serves all of KEDA: its operator and its metrics adapter authenticate each other,
# and the API server checks the adapter and the webhooks against the names of their Services. The
# webhooks of LeaderWorkerSet, which are called by address, use it too.
_KEDA_NAMES = (
    "DNS:localhost,DNS:keda-operator.keda.svc,DNS:keda-metrics-apiserver.keda.svc,"
    "DNS:keda-admission-webhooks.keda.svc,IP:127.0.0.1"
)


def create(settings: Settings) -> None:
    """Make all keys and certificates, unless they exist; an interrupted run leaves none.

    Raises:
        SandboxError: openssl is missing or fails.
    """
    if settings.pki.exists():
        return
    if shutil.which("openssl") is None:
        message = "openssl is not on PATH: install it (Debian: apt-get install openssl), then retry"
        raise SandboxError(message)
    draft = settings.pki.with_name("pki.new")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "keda").mkdir(mode=0o700, parents=True)
    _authority(draft, "ca", "/CN=sandbox-ca")
    _authority(draft, "front-proxy-ca", "/CN=sandbox-front-proxy-ca")
    _leaf(draft, "apiserver", "/CN=kube-apiserver", ("serverAuth", _API_SERVER_NAMES))
    _leaf(draft, "admin", "/O=system:masters/CN=sandbox-admin", ("clientAuth", ""))
    _leaf(
        draft, "front-proxy-client", "/CN=front-proxy-client", ("clientAuth", ""), "front-proxy-ca"
    )
    _leaf(draft, "keda/tls", "/CN=keda", ("serverAuth,clientAuth", _KEDA_NAMES))
    shutil.copy(draft / "ca.crt", draft / "keda" / "ca.crt")
    _key(draft / "service-account.key")
    draft.rename(settings.pki)


def write_kubeconfig(settings: Settings) -> None:
    """Write the administrator's kubeconfig, readable by its owner only."""
    pki = settings.pki
    text = f"""\
apiVersion: v1
kind: Config
clusters:
- name: {CONTEXT}
  cluster:
    server: https://127.0.0.1:{settings.ports.apiserver}
    certificate-authority-data: {encoded(pki / "ca.crt")}
users:
- name: {CONTEXT}
  user:
    client-certificate-data: {encoded(pki / "admin.crt")}
    client-key-data: {encoded(pki / "admin.key")}
contexts:
- name: {CONTEXT}
  context: {{cluster: {CONTEXT}, user: {CONTEXT}}}
current-context: {CONTEXT}
"""
    draft = settings.kubeconfig.with_name("kubeconfig.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(settings.kubeconfig)


def encoded(path: Path) -> str:
    """Return a file's bytes as Kubernetes embeds them, in base64 on one line."""
    return base64.b64encode(path.read_bytes()).decode()


def _authority(directory: Path, name: str, subject: str) -> None:
    key = directory / f"{name}.key"
    _key(key)
    usage = "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"
    certificate = ["-days", _DAYS, "-out", str(directory / f"{name}.crt"), "-addext", usage]
    _openssl(["req", "-x509", "-new", "-key", str(key), "-subj", subject, *certificate])


def _leaf(
    directory: Path, name: str, subject: str, usage: tuple[str, str], authority: str = "ca"
) -> None:
    key, request = directory / f"{name}.key", directory / f"{name}.csr"
    extensions = directory / f"{name}.ext"
    extended, names = usage
    extensions.write_text(
        f"keyUsage=critical,digitalSignature\nextendedKeyUsage={extended}\n"
        + (f"subjectAltName={names}\n" if names else "")
    )
    _key(key)
    _openssl(["req", "-new", "-key", str(key), "-subj", subject, "-out", str(request)])
    signer = ["-CA", str(directory / f"{authority}.crt"), "-CAkey", f"{directory / authority}.key"]
    serial = ["-set_serial", f"0x{secrets.token_hex(8)}"]
    certificate = ["-extfile", str(extensions), "-out", str(directory / f"{name}.crt")]
    signed = ["x509", "-req", "-in", str(request), *signer, *serial, "-days", _DAYS]
    _openssl([*signed, *certificate])
    request.unlink()
    extensions.unlink()


def _key(path: Path) -> None:
    path.touch(mode=0o600)
    _openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path)])


def _openssl(arguments: Sequence[str]) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"openssl {arguments[0]} failed: {done.stderr.strip()}"
        raise SandboxError(message)
