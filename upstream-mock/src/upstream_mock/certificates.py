"""The mock's own certificate authority, kept in a directory so that a client has to be told only once whom to trust.

Two files: ca.pem, which everybody may read, and ca.key, key and certificate together, for the owner only. The server's
certificate is made anew at each start, in milliseconds, so its names and dates always fit; its key is never kept.
"""

import os
import socket
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificate
from trustme import CA, LeafCert

from upstream_mock.settings import variable
from upstream_mock.surroundings import SurroundingsError

LASTS = timedelta(days=397)
"""How long a server's certificate is valid: the longest that browsers took from 2020 on (CA/B Forum ballot SC-31)."""

SKEW = timedelta(days=1)
"""Clocks may differ by so much."""

_CA_PEM, _CA_KEY = "ca.pem", "ca.key"


class CannotCertifyError(SurroundingsError):
    """The directory cannot be used; the message is one line and names the variable."""


def names(host: str) -> list[str]:
    """Under which names a client may reach us: the machine's own, Compose's, and `host` unless it means every one."""
    own = ["localhost", "127.0.0.1", "::1", "upstream-mock", socket.gethostname()]
    return list(dict.fromkeys([*own, *([] if host in ("0.0.0.0", "::") else [host])]))


def certificate(directory: Path, identities: Iterable[str]) -> LeafCert:
    """A new certificate and its key for these names, by the authority in `directory`, which is made if need be.

    Raises CannotCertifyError.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        authority = _kept(directory) or _made(directory)
        # Written each time, and after the key: it may be missing, or another's.
        _write(directory / _CA_PEM, authority.cert_pem.bytes(), 0o644)
    except OSError as error:
        wrong = os.strerror(error.errno or 0)
        raise CannotCertifyError(
            f"{variable('tls_directory')}={str(directory)!r}: cannot keep a certificate authority there ({wrong})"
        ) from None
    now = datetime.now(UTC)
    return authority.issue_cert(*identities, not_before=now - SKEW, not_after=now + LASTS)


def _kept(directory: Path) -> CA | None:
    """The authority that is there already; None if there is none. One that cannot be used any more is taken away."""
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
    """All of the file or nothing of it, whoever reads meanwhile; unless `replace`, an older one stays."""
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
