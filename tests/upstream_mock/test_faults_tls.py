"""Faults beneath TLS: what the client sees is what it sees without it, and the same is counted."""

import asyncio
import logging
import re
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.fault_cases import FOUND, asked, outcome
from support.mock_upstream import RunMock, both_loops

pytestmark = pytest.mark.slow

CUT = {"CLOSE_ON_REUSE"} | {name for name in FOUND if outcome(name) == "cut"}
"""Those that cut the answer; the first request of a connection, as the cases have it, is none to be closed on."""


def see(port: int, secure: ssl.SSLContext | None, name: str) -> tuple[int, str]:
    """How much comes of one request (of the second one on its connection for CLOSE_ON_REUSE), and how it ends.

    `FIN` is with close_notify under TLS; without it the end would be `cut`. How late the mock was is left out.
    """
    body = b"x" * 1000 if name == "EARLY_413" else b""
    head = f"POST /work HTTP/1.1\r\nhost: mock\r\nx-sandbox-run: {name}\r\ncontent-length: {len(body)}\r\n"
    request = f"{head}x-upstream-fault: {asked(name)}\r\nx-request-id: {name}\r\n\r\n".encode() + body
    with Line(port, secure, 2 if outcome(name) == "left" else 5) as line:
        for _ in range(2 if name == "CLOSE_ON_REUSE" else 1):
            line.send(request)
            seen, end = line.read()
    return len(re.sub(rb"dur=[0-9.]+", b"", seen)), end


class Line:
    """A connection, through TLS or not. An SSLSocket takes RST for a missing close_notify: the socket is read here."""

    def __init__(self, port: int, secure: ssl.SSLContext | None, timeout: float = 5) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = secure.wrap_bio(self._in, self._out, server_hostname="localhost") if secure else None
        if self._tls is not None:
            self._through(self._tls.do_handshake)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """All of it."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._out.read()
        self._socket.sendall(data)

    def read(self) -> tuple[bytes, str]:
        """Bytes to the end of an answer's body (or of a head without one), or of the connection."""
        seen = b""
        while not seen.endswith((b"}", b'"one"\r\ncontent-length: 120\r\n\r\n')):
            try:
                piece = self._socket.recv(1 << 20) if self._tls is None else self._through(self._piece)
            except TimeoutError:
                return seen, "silent"
            except ConnectionResetError:
                return seen, "RST"
            except ssl.SSLEOFError:
                return seen, "cut"
            if not piece:
                return seen, "FIN"
            seen += piece
        return seen, "open"

    def _piece(self) -> bytes:
        assert self._tls is not None
        try:
            return self._tls.read(1 << 20)
        except ssl.SSLZeroReturnError:  # close_notify
            return b""

    def _through(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._socket.sendall(self._out.read())
                if data := self._socket.recv(1 << 20):
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                self._socket.sendall(self._out.read())
                return done


@both_loops
async def test_every_fault_beneath_tls(run_mock: RunMock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes and end are those without TLS, FIN comes with close_notify, and log and counts agree."""

    async def seen_and_counted(tls: str) -> tuple[dict[str, tuple[object, ...]], dict[str, int]]:
        found: dict[str, tuple[object, ...]] = {}
        async with run_mock(latency="constant(1ms)", tls=tls, tls_directory=tmp_path) as running:
            secure = None if tls == "off" else ssl.create_default_context(cafile=tmp_path / "ca.pem")
            for name in FOUND:
                seen, end = await asyncio.to_thread(see, running.data, secure, name)
                assert (end == "silent") is (outcome(name) == "left"), name
                # A reset takes along what its receiver has not read yet.
                found[name] = 0 if end == "RST" else seen, end
                await running.until(lambda: not running.mock.connections.open and not running.is_paused)
            by = {row["id"]: row["closed_by"] for row in running.mock.connections.page(0)["connections"]}
            rows = running.log.page(None, 0)["requests"]
            for row in rows:
                found[row["run"]] = *found[row["run"]], row["outcome"], row["faulted"], by[row["connection"]]
                assert row["faulted"] == (row["outcome"] == "abandoned" and outcome(row["run"]) != "left")
            assert {row["run"] for row in rows if row["faulted"]} == CUT
            executions = running.log.executions.as_json()["runs"]
            assert "EMPTY_RESPONSE" not in executions
            assert executions["LIMIT_DATA"]["executions"] == 1
            return found, running.mock.requests.total.as_json()

    caplog.set_level(logging.WARNING)
    plain, plain_counts = await seen_and_counted("off")
    secure, secure_counts = await seen_and_counted("on")
    assert {name: (plain[name], secure[name]) for name in plain if plain[name] != secure[name]} == {}
    assert plain.keys() == secure.keys()
    assert plain_counts == secure_counts
    assert not caplog.records


@both_loops
@pytest.mark.parametrize(
    "settings", [{"tls": "on"}, {"accept_per_second": 100}, {"tls": "on", "accept_per_second": 100}]
)
async def test_a_shut_door_of_our_own_accepting(
    run_mock: RunMock, tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: dict[str, object]
) -> None:
    """What comes while it is paused is served afterwards; a handshake that had begun is not cut; nothing is logged."""

    def url(port: int) -> str:
        return f"{'https' if 'tls' in settings else 'http'}://localhost:{port}/work"

    caplog.set_level(logging.WARNING)
    async with run_mock(latency="constant(0ms)", tls_directory=tmp_path, **settings) as running:
        verify = ssl.create_default_context(cafile=tmp_path / "ca.pem") if "tls" in settings else True
        _, slow = await running.send(b"")  # shakes no hands yet
        beginning = 1 if "tls" in settings else 0
        await asyncio.sleep(0.1)
        async with httpx.AsyncClient(verify=verify, timeout=5) as client:
            for _ in range(2):
                asked = time.monotonic()
                answer = await client.get(url(running.data), headers={"x-upstream-fault": "STOP_ACCEPTING for=500ms"})
                assert answer.status_code == 200
                assert (await client.get(url(running.data))).status_code == 200  # a kept connection
                async with httpx.AsyncClient(verify=verify, timeout=5) as other:
                    assert running.is_paused
                    assert (await other.get(url(running.data))).status_code == 200
                # From before the pause: one that came late waits less.
                assert time.monotonic() - asked >= 0.49  # loops round their timers to a millisecond or so
                assert not running.is_paused
        assert running.mock.handshakes.left == 0
        slow.close()
        await running.until(lambda: running.mock.handshakes.left == beginning)
    assert not caplog.records


async def test_faults_cannot_be_put_beside_http2(run_mock: RunMock, tmp_path: Path) -> None:
    """409 and one line, and nothing is in force."""
    async with run_mock(latency="constant(0ms)", tls="on", http2=True, tls_directory=tmp_path) as running:
        async with httpx.AsyncClient() as client:
            answer = await client.put(f"http://127.0.0.1:{running.control}/-/faults", content="EMPTY_RESPONSE")
        assert (answer.status_code, answer.json()) == (
            409,
            {"mistakes": ["UPSTREAM_HTTP2 is on, and faults are of HTTP/1.1"]},
        )
        assert not running.mock.faults.rules


@both_loops
@pytest.mark.parametrize("tls", ["off", "on"])
async def test_a_fault_applies_to_the_last_request_of_a_connection(run_mock: RunMock, tmp_path: Path, tls: str) -> None:
    """It counts like any other, and the connection was closed by the mock, whichever way its answer ended."""
    settings = {"max_requests_per_connection": 2, "tls": tls, "tls_directory": tmp_path}
    async with run_mock(latency="constant(0ms)", fault="LIMIT_DATA every=2 path=/work", **settings) as running:
        verify = tls == "off" or ssl.create_default_context(cafile=tmp_path / "ca.pem")
        url = f"{'http' if tls == 'off' else 'https'}://localhost:{running.data}"
        async with httpx.AsyncClient(base_url=url, verify=verify) as client:
            for _ in range(3):
                assert (await client.get("/work")).status_code == 200
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get("/work")
                assert (await client.get("/get")).status_code == 200
                last = await client.get("/work?fault=NOT_MODIFIED_WITH_LENGTH")
                assert last.status_code == 304
                # These bytes do not announce the end of the connection, which a request sent at once could meet.
                await running.until(lambda: not running.mock.connections.open)
        log, total = running.mock.connections, running.mock.requests.total
        assert log.closed_by["server"] == log.accepted == 6
        assert (total.completed, total.faulted, total.abandoned) == (9, 3, 3)


@both_loops
async def test_trailers_and_close_framing_through_a_fault(run_mock: RunMock) -> None:
    """A fault that wraps `send` leaves the framing to the app: the same bytes come, but for the slicing."""
    async with run_mock(latency="constant(0ms)") as running:
        for query in ("trailers=true&bytes=40", "framing=close&bytes=40", "framing=close&encoding=gzip&bytes=400"):
            plain = (await running.ask(f"GET /work?{query}"))[2]
            for fault in ("STALL_IN_BODY%20delay=1ms", "STALL_BEFORE_HEADERS%20delay=1ms", "HUGE_HEADER%20bytes=9"):
                faulted = (await running.ask(f"GET /work?{query}&fault={fault}"))[2]
                assert unchunked(faulted) == unchunked(plain)
        trailing = (await running.ask("GET /work?trailers=true&bytes=40&fault=SLICER%20delay=1ms"))[2]
        assert unchunked(trailing) == unchunked((await running.ask("GET /work?trailers=true&bytes=40"))[2])
        assert b"content-digest: sha-256=:" in trailing
        assert running.mock.requests.total.abandoned == 0


def unchunked(raw: bytes) -> tuple[bytes, bytes]:
    """A body's bytes and its trailer section, if it is chunked; else the body."""
    try:
        int(raw.partition(b"\r\n")[0], 16)
    except ValueError:
        return raw, b""
    body = b""
    while True:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return body, raw
        body, raw = body + raw[:length], raw[length + 2 :]


async def test_a_full_queue_executes_nothing(run_mock: RunMock) -> None:
    """503 queue_full is an answer, and no execution; nor is a refused word."""
    async with run_mock(latency="constant(300ms)", capacity=1, queue=0) as running:
        url = f"http://127.0.0.1:{running.data}/work"
        async with httpx.AsyncClient(headers={"x-sandbox-run": "r"}) as client:
            working = asyncio.create_task(client.post(url, headers={"x-request-id": "one"}))
            await running.until(lambda: running.mock.capacity.busy == 1)
            full = await client.post(url, headers={"x-request-id": "two"})
            assert full.headers["x-upstream-error"] == "queue_full"
            assert (await client.post(url + "?bytes=x", headers={"x-request-id": "three"})).status_code == 400
            assert (await working).status_code == 200
        assert running.log.executions.as_json()["runs"]["r"]["ids"] == 1
