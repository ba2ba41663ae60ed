"""Asking the services: closed connections, answers that are not understood, services that do not answer."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from lab.wire.mock import MockConnections, MockStats
from loadtest.services import Services
from loadtest.snapshot import Snapshot
from support.servers import free_port

POOL: dict[str, Any] = {
    "max": 10,
    "total": 1,
    "active": 0,
    "idle": 1,
    "waiting": 0,
    "opened": 1,
    "reused": 0,
    "closed": 0,
}
POOL |= {"timeouts": 0, "wait_ms": {}, "hold_ms": {}}


def answer(body: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


@contextmanager
def server(response: bytes) -> Iterator[str]:
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
                        connection.sendall(response)
                        with suppress(TimeoutError):
                            connection.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_service_that_closes_connections_is_still_read() -> None:
    """Seen for real: uvicorn's five seconds ended as the run did, and the proxy's whole count was missing."""
    with server(answer(json.dumps(POOL))) as url:
        services = Services(url, url, url)
        assert [pool and pool.max for pool in (services.pool() for _ in range(3))] == [10] * 3


@pytest.mark.parametrize(
    ("response", "note"),
    [
        (answer("<html>"), "the proxy's answer to /-/config is not understood: Invalid JSON: "),
        (answer('{"settings": 3}'), "the proxy's answer to /-/config is not understood: settings: "),
        (answer("{}"), "the proxy's answer to /-/config is not understood: settings: Field required"),
        (answer("no", "404 Not Found"), "the proxy answered /-/config with status 404"),
    ],
)
def test_an_unexpected_answer_is_one_note_a_service(response: bytes, note: str) -> None:
    """Any HTTP server may stand at the host's address; one that does not answer at all has no note."""
    closed = f"http://127.0.0.1:{free_port()}"
    with server(response) as url:
        snapshot = Services(url, closed, closed).snapshot()
    assert list(snapshot.notes) == ["proxy"]
    assert snapshot.notes["proxy"].startswith((note, note.replace("config", "pool"), note.replace("config", "ledger")))
    assert snapshot.pool is None
    assert snapshot.proxy_config is None
    assert snapshot.upstream is None


def test_a_service_that_answered_before_and_does_not_now_is_asked_again() -> None:
    """A service that never answered is not waited for."""
    mock = MockStats(connections=MockConnections(), runs={})
    assert Snapshot(at=1).silent_since(Snapshot(at=0, upstream=mock)) == ["upstream"]
    assert Snapshot(at=1, upstream=mock).silent_since(Snapshot(at=0)) == []
