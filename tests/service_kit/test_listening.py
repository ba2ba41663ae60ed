"""Listening sockets and the lines about those that cannot be had."""

import socket

import pytest

from service_kit.exits import ExitCode, UnavailableError
from service_kit.listening import free_port, is_free, listen, port_taken


def listener(host: str, port: int) -> socket.socket:
    return listen(host, port, host_variable="DEMO_HOST", port_variable="DEMO_PORT")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_it_listens_without_blocking_and_with_tcp_named(host: str) -> None:
    """asyncio sets TCP_NODELAY only on sockets whose protocol is TCP by name."""
    with listener(host, free_port()) as listening:
        assert listening.proto == socket.IPPROTO_TCP
        assert listening.getblocking() is False
        with socket.create_connection(listening.getsockname()[:2], timeout=5):
            assert not is_free(*listening.getsockname()[:2])


def test_a_port_in_use_is_one_line_that_names_the_variable() -> None:
    with listener("127.0.0.1", free_port()) as first:
        port = first.getsockname()[1]
        with pytest.raises(UnavailableError) as taken:
            listener("127.0.0.1", port)
    assert str(taken.value) == f"DEMO_PORT={port}: already in use on 127.0.0.1; set DEMO_PORT to a free port"
    assert str(taken.value) == port_taken("DEMO_PORT", "127.0.0.1", port)
    assert taken.value.exit_code is ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("192.0.2.1", "DEMO_HOST='192.0.2.1': not an address of this machine"),
        ("a..b", "DEMO_HOST='a..b': no such host"),
        ("x" * 70, f"DEMO_HOST='{'x' * 70}': no such host"),
    ],
)
def test_a_host_that_is_not_here_is_one_line(host: str, line: str) -> None:
    with pytest.raises(UnavailableError) as refused:
        listener(host, free_port())
    assert str(refused.value) == line


def test_a_port_that_lingers_in_time_wait_is_free() -> None:
    with listener("127.0.0.1", free_port()) as listening:
        host, port = listening.getsockname()
        listening.setblocking(True)
        with socket.create_connection((host, port)):
            listening.accept()[0].close()
    assert is_free(host, port)
    listener(host, port).close()
