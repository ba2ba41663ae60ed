"""Certificates: an authority of the mock's own, made once, that every client can be set to trust."""

import signal
import socket
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service_kit.exits import UnavailableError
from support.mock_upstream import StartProcess
from upstream_mock.certificates import certificate, names, server_context
from upstream_mock.settings import Settings


def shake_hands(directory: Path, name: str) -> str | None:
    """A handshake in memory, the client trusting ca.pem and asking for this name; returns the version."""
    server_side = server_context(Settings(host="0.0.0.0", tls="on", tls_directory=directory))
    client_side = ssl.create_default_context(cafile=directory / "ca.pem")
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(up, down, server_side=True)
    client = client_side.wrap_bio(down, up, server_hostname=name)
    for end in (client, server, client, server):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.version()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "upstream-mock", socket.gethostname()])
def test_every_name_is_verified(tmp_path: Path, name: str) -> None:
    """By the strict rules that Python 3.13 verifies with."""
    assert shake_hands(tmp_path, name) == "TLSv1.3"


def test_a_name_that_is_not_ours_is_not(tmp_path: Path) -> None:
    """Verification is real."""
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(tmp_path, "elsewhere.example")


def test_the_listening_address_is_a_name_but_not_every_interface() -> None:
    """UPSTREAM_HOST is what a client may connect to, unless it is all of them."""
    assert "192.0.2.7" in names("192.0.2.7")
    assert names("0.0.0.0") == names("::") == names("127.0.0.1")


def test_the_authority_is_made_once(tmp_path: Path) -> None:
    """A client that trusts it need not be configured again; only the owner may read the key."""
    folder = tmp_path / "made" / "if missing"
    certificate(folder, ["localhost"])
    kept = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert set(kept) == {"ca.pem", "ca.key"}
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "ca.pem").stat().st_mode) == 0o644
    assert b"PRIVATE" not in kept["ca.pem"][0]
    (folder / "ca.pem").unlink()
    certificate(folder, ["localhost"])
    assert (folder / "ca.pem").read_bytes() == kept["ca.pem"][0]
    assert (folder / "ca.key").stat().st_mtime_ns == kept["ca.key"][1]


@pytest.mark.parametrize("left", [b"", b"-----BEGIN CERTIFICATE-----\nhalf", b"-----BEGIN RSA PRIVATE KEY-----\n"])
def test_half_a_file_is_replaced(tmp_path: Path, left: bytes) -> None:
    """What cannot be used does not stop the start."""
    (tmp_path / "ca.key").write_bytes(left)
    assert shake_hands(tmp_path, "localhost") == "TLSv1.3"


def test_two_mocks_that_start_at_once_have_one_authority(tmp_path: Path) -> None:
    """Whoever is second takes the first one's."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: certificate(tmp_path, ["localhost"]), range(16)))
    trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    assert len(trust.get_ca_certs()) == 1
    assert len({leaf.private_key_pem.bytes() for leaf in made}) == 16
    assert shake_hands(tmp_path, "localhost") == "TLSv1.3"
    assert not list(tmp_path.glob(".ca*"))


def test_a_directory_that_cannot_be_had(tmp_path: Path) -> None:
    """One line that names the variable."""
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError) as caught:
        certificate(tmp_path / "file" / "below", ["localhost"])
    assert str(caught.value) == (
        f"UPSTREAM_TLS_DIRECTORY='{tmp_path}/file/below': cannot keep a certificate authority there (Not a directory)"
    )


@pytest.mark.slow
def test_the_process_ends_with_exit_code_3(start_process: StartProcess) -> None:
    """And --check, which writes nothing, does not know."""
    settings = {"UPSTREAM_TLS": "on", "UPSTREAM_TLS_DIRECTORY": "/dev/null/certificates"}
    code, out, err = start_process(**settings).end()
    assert (code, out) == (3, "")
    assert err.startswith("UPSTREAM_TLS_DIRECTORY='/dev/null/certificates': cannot keep")
    assert err.count("\n") == 1
    assert start_process("--check", **settings).end() == (0, "", "")


@pytest.mark.slow
def test_the_process_prints_what_to_trust(start_process: StartProcess, tmp_path: Path) -> None:
    """The line at the start is https, and names the file that a client needs."""
    mock = start_process(UPSTREAM_TLS="1.3", UPSTREAM_HTTP2="true", UPSTREAM_TLS_DIRECTORY=tmp_path)
    line = mock.line()
    assert line.startswith(f"upstream-mock: https://127.0.0.1:{mock.data} ")
    assert line.endswith(f", clients trust {tmp_path}/ca.pem\n")
    trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with (
        socket.create_connection(("127.0.0.1", mock.data)) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(b"GET /get HTTP/1.1\r\nhost: mock\r\n\r\n")
        assert secure.recv(12) == b"HTTP/1.1 200"
        assert mock.end(signal.SIGTERM) == (0, "", "")
