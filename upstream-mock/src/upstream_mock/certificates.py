"""The mock's own certificate authority, kept in a directory so that a client need be configured only once; TLS context.

Two files: ca.pem, which all may read, and ca.key, key and certificate together, for the owner only. The server's
certificate is made anew at each start, in milliseconds, so its names and dates always fit; its key is never kept.
"""

import os
import socket
import ssl
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificate
from trustme import CA, LeafCert

from service_kit.exits import UnavailableError
from service_kit.variables import variable_name
from upstream_mock.settings import Settings

LASTS = timedelta(days=397)
"""How long a server's certificate is valid: the longest that browsers took from 2020 on (CA/B Forum ballot SC-31)."""

SKEW = timedelta(days=1)
"""Clocks may differ by so much."""

_CA_PEM, _CA_KEY = "ca.pem", "ca.key"
_ONLY = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(settings: Settings) -> ssl.SSLContext:
    """The data port's, with a new certificate; clients show none. Raises UnavailableError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _ONLY.get(settings.tls, ssl.TLSVersion.TLSv1_2)
    context.maximum_version = _ONLY.get(settings.tls, ssl.TLSVersion.TLSv1_3)
    context.set_alpn_protocols(["h2", "http/1.1"] if settings.http2 else ["http/1.1"])
    certificate(settings.tls_directory, names(settings.host)).configure_cert(context)
    return context


def names(host: str) -> list[str]:
    """Names by which clients may connect: the machine's own, Compose's, and `host` unless it means every interface."""
    own = ["localhost", "127.0.0.1", "::1", "upstream-mock", socket.gethostname()]
    return list(dict.fromkeys([*own, *([] if host in ("0.0.0.0", "::") else [host])]))


def certificate(directory: Path, identities: Iterable[str]) -> LeafCert:
    """A new certificate and its key for these names, by the authority in `directory`, which is made if need be.

    Raises UnavailableError.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        authority = _kept(directory) or _made(directory)
        # Written each time, and after the key: it may be missing, or of another authority.
        _write(directory / _CA_PEM, authority.cert_pem.bytes(), 0o644)
    except OSError as error:
        wrong = os.strerror(error.errno or 0)
        variable = variable_name(Settings, "tls_directory")
        raise UnavailableError(
            f"{variable}={str(directory)!r}: cannot keep a certificate authority there ({wrong})"
        ) from None
    now = datetime.now(UTC)
    return authority.issue_cert(*identities, not_before=now - SKEW, not_after=now + LASTS)


def _kept(directory: Path) -> CA | None:
    """The authority that is there already; None if there is none. One that cannot be used any more is deleted."""
    path = directory / _CA_KEY
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        return None
    with suppress(ValueError):  # half a file, or something else
        if load_pem_x509_certificate(pem).not_valid_after_utc > datetime.now(UTC) + LASTS:
            return CA.from_pem(pem, pem)
    path.unlink()
    return None


def _made(directory: Path) -> CA:
    """A new authority; where another mock has just made one, that one."""
    authority = CA(organization_name="Pool Sandbox", organization_unit_name="upstream-mock", path_length=0)
    pem = authority.private_key_pem.bytes() + authority.cert_pem.bytes()
    _write(directory / _CA_KEY, pem, 0o600, replace=False)
    return _kept(directory) or authority


def _write(path: Path, content: bytes, mode: int, *, replace: bool = True) -> None:
    """Atomic: a reader sees all of the file or nothing; unless `replace`, an older one stays."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # only the owner may read it
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        if replace:
            unfinished.replace(path)
        else:
            with suppress(FileExistsError):
                path.hardlink_to(unfinished)
    finally:
        unfinished.unlink(missing_ok=True)
