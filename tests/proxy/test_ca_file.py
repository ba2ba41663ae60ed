"""PROXY_CA_FILE: waited for at the start, and one line if it is of no use."""

import threading
import time
from pathlib import Path

import pytest

from proxy.ca_file import await_ca_file
from proxy.settings import Settings
from service_kit.exits import UnavailableError
from support.h2_upstream import make_authority


def told(path: Path, scheme: str = "https") -> Settings:
    return Settings(upstream_url=f"{scheme}://127.0.0.1:1", ca_file=path)


def test_a_file_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """The upstream makes it while the proxy starts."""
    made = make_authority(tmp_path) / "ca.pem"
    late = tmp_path / "late.pem"
    timer = threading.Timer(0.3, made.rename, [late])
    began = time.monotonic()
    timer.start()
    await_ca_file(told(late))
    assert time.monotonic() - began >= 0.25
    timer.join()


def test_one_that_never_comes_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"^PROXY_CA_FILE='.*nowhere': no such file, not even after 0.1 s$"):
        await_ca_file(told(tmp_path / "nowhere"), 0.1)


def test_so_is_one_with_no_certificate_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(UnavailableError, match=r"empty': no certificate in it; allowed: a PEM file of authorities$"):
        await_ca_file(told(tmp_path / "empty"))


def test_plain_http_needs_none(tmp_path: Path) -> None:
    await_ca_file(told(tmp_path / "nowhere", "http"))
