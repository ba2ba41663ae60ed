"""What a user of httpx sees of each fault: the table of the report."""

import contextlib
import socket

import httpx
import pytest

from support.mock_upstream import RunMock, Say
from upstream_mock.faults.runtime.registry import discover

SECONDS = 0.3
"""httpx's read and connect time-out here."""

# What is asked for, and what comes of it: an exception's name, or a status.
GET_TABLE = {
    "BAD_HEADER": "RemoteProtocolError",
    "SLICER delay=50ms": "200",
    "SLICER delay=500ms": "ReadTimeout",
    "CONNECTION_RESET_BY_PEER": "ReadError",
    "CONTENT_LENGTH_AND_CHUNKED": "200",
    "CONTENT_LENGTHS_DIFFER": "RemoteProtocolError",
    "EARLY_HINTS": "200",
    "EMPTY_RESPONSE": "RemoteProtocolError",
    "HEADER_WITH_NUL": "RemoteProtocolError",
    "HUGE_HEADER": "RemoteProtocolError",
    "LIMIT_DATA": "RemoteProtocolError",
    "LIMIT_DATA_RESET": "ReadError",
    "MALFORMED_RESPONSE_CHUNK": "RemoteProtocolError",
    "NEGATIVE_CONTENT_LENGTH": "RemoteProtocolError",
    "NOT_MODIFIED_WITH_LENGTH": "304",
    "RANDOM_DATA_THEN_CLOSE": "RemoteProtocolError",
    "STALL_BEFORE_HEADERS delay=600ms": "ReadTimeout",
    "STALL_IN_BODY delay=600ms": "ReadTimeout",
    "STATUS_503": "503",
    "STATUS_999": "999",
}


async def outcome(client: httpx.AsyncClient, asks: str, method: str = "GET", content: bytes | None = None) -> str:
    """The status of an answer that was read to its end, or the exception and its message."""
    try:
        answer = await client.request(method, "/work", params={"fault": asks}, content=content)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}({str(error)[:70]!r})"
    return str(answer.status_code)


@pytest.mark.slow
async def test_what_httpx_makes_of_it(run_mock: RunMock, say: Say) -> None:
    """Each fault on a fresh connection, the keep-alive race on a kept one, and the paused listener on none."""
    async with run_mock(latency="constant(0ms)") as running:
        base, rows = f"http://127.0.0.1:{running.data}", {}
        for asks in GET_TABLE:
            async with httpx.AsyncClient(base_url=base, timeout=SECONDS) as client:
                rows[asks] = await outcome(client, asks)
        async with httpx.AsyncClient(base_url=base, timeout=SECONDS) as client:
            rows["EARLY_413 (upload of 1 MB)"] = await outcome(client, "EARLY_413", "POST", b"x" * 1_000_000)
        async with httpx.AsyncClient(base_url=base, timeout=SECONDS) as client:
            assert await outcome(client, "") == "200"
            rows["CLOSE_ON_REUSE (second request)"] = await outcome(client, "CLOSE_ON_REUSE")
        async with httpx.AsyncClient(base_url=base, timeout=SECONDS) as client:
            assert await outcome(client, "STOP_ACCEPTING for=5s backlog=1") == "200"
        async with httpx.AsyncClient(base_url=base, timeout=SECONDS) as client:
            rows["STOP_ACCEPTING (in the backlog)"] = await outcome(client, "")
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                full = socket.socket()
                full.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    full.connect(("127.0.0.1", running.data))
                stack.callback(full.close)
            async with httpx.AsyncClient(base_url=base, timeout=SECONDS) as client:
                rows["STOP_ACCEPTING (beyond it)"] = await outcome(client, "")
        say("\n".join(f"{asks:<42} {seen}" for asks, seen in rows.items()))

        expected = GET_TABLE | {
            "EARLY_413 (upload of 1 MB)": "413",
            "CLOSE_ON_REUSE (second request)": "RemoteProtocolError",
            "STOP_ACCEPTING (in the backlog)": "ReadTimeout",
            "STOP_ACCEPTING (beyond it)": "ConnectTimeout",
        }
        assert {asks: seen.partition("(")[0] for asks, seen in rows.items()} == expected
        tried = {asks.split()[0] for asks in rows}
        assert set(discover()) - tried == {"STATUS"}


async def test_a_retry_gets_over_the_keep_alive_race(run_mock: RunMock) -> None:
    """One fresh attempt is enough, which is why clients may repeat an idempotent request on a reused connection."""
    async with run_mock(latency="constant(0ms)", fault="CLOSE_ON_REUSE") as running:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.data}") as client:
            assert (await client.get("/work")).status_code == 200
            for _ in range(3):
                with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected"):
                    await client.get("/work")
                assert (await client.get("/work")).status_code == 200
        assert running.mock.stats()["requests"]["faulted"] == 3
