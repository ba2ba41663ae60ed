"""Asking the other parts: a connection that they close at the wrong moment does not make them unheard."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from loadtest.service_snapshots import Snapshot, Surroundings, silent

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n" + b'{"a": 1}'


@pytest.fixture
def closes_idle_connections() -> Iterator[str]:
    """A server that closes a connection, as its keep-alive time-out would, when a second request comes in on it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    if connection.recv(65536):
                        connection.sendall(ANSWER)
                        with suppress(TimeoutError):
                            connection.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_part_is_heard_though_it_closes_connections(closes_idle_connections: str) -> None:
    """Seen for real: uvicorn's five seconds ended as the run did, and the proxy's whole count was missing."""
    surroundings = Surroundings(closes_idle_connections, closes_idle_connections, closes_idle_connections)
    assert [surroundings.pool() for _ in range(3)] == [{"a": 1}] * 3


def test_who_answered_before_and_does_not_now_is_asked_again() -> None:
    """A part that never answered is not waited for."""
    assert silent(Snapshot(at=0, pool={}, upstream={}), Snapshot(at=1, pool={})) == ["upstream"]
    assert silent(Snapshot(at=0), Snapshot(at=1)) == []
