"""The faults of an upstream, and of a caller, one by one: what is done, and what must become of the request.

Outcomes are words: `200` (an answer that is whole, with that status), `502 upstream_closed` (the proxy's own error),
`cut` (an answer that began and was visibly not whole), `gone` (the caller left), `nothing` (never to be seen).
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from proxy.forward.downstream import LINGER_SECONDS
from support.raw_http import Exchange, RawUpstream, Script, answer_ok, get, raw_upstream, split
from support.servers import free_port

SECONDS = 0.5
"""Every time-out in force while a fault is tried."""

TIMEOUTS: dict[str, Any] = {
    "connect_timeout_seconds": SECONDS,
    "read_timeout_seconds": SECONDS,
    "write_timeout_seconds": SECONDS,
    "pool_timeout_seconds": SECONDS,
}

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = get("/", "Content-Length: 2", method="POST") + b"hi"


@dataclass(frozen=True)
class Fault:
    """One row. `code` is the counter that goes up, once for each request whose outcome it is; empty: none does."""

    name: str
    script: Script
    outcomes: tuple[str, ...]
    code: str = ""
    request: bytes = get()
    settings: dict[str, Any] = field(default_factory=dict)
    upstream: Callable[[Script], AbstractAsyncContextManager[RawUpstream]] = raw_upstream
    leaves: str = ""
    seconds: float = SECONDS
    """What a request may take: the time-out that ends it, or what the fault itself takes."""
    differs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Client: its outcome, where it is another one."""

    def expected(self, client: str) -> tuple[str, ...]:
        """Return what may become of a request with a client."""
        return self.differs.get(client, self.outcomes)


def says(data: bytes, *, close: bool = True, pause: float = 0.0) -> Script:
    """Return a script that sends these bytes; with `close` it hangs up afterwards."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(data)
        await asyncio.sleep(pause)
        if close:
            exchange.writer.close()

    return script


async def reset(exchange: Exchange) -> None:
    """Close with RST in place of FIN."""
    linger = struct.pack("ii", 1, 0)
    exchange.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    exchange.writer.transport.abort()


async def sleep(exchange: Exchange) -> None:
    """Say nothing until the other side hangs up."""
    await exchange.reader.read()


def late(seconds: float) -> Script:
    """Return a script that answers after a while."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.send(OK)

    return script


def drips(count: int, seconds: float) -> Script:
    """Return a script that sends its body byte by byte."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % count)
        for _ in range(count):
            await asyncio.sleep(seconds)
            await exchange.send(b"x")

    return script


async def stops_in_the_body(exchange: Exchange) -> None:
    """Send the head and a part, then say nothing until the other side hangs up."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    await exchange.reader.read()


async def refuses_early(exchange: Exchange) -> None:
    """Answer 413 as soon as the head is there, take no more, and wait for the other side to hang up."""
    await exchange.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
    with suppress(ConnectionError):
        while await exchange.reader.read(65_536):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def unread_upstream(script: Script) -> AsyncIterator[RawUpstream]:
    """Serve a script that is called before the request's body is read."""
    async with raw_upstream(script, reads_body=False) as upstream:
        yield upstream


@asynccontextmanager
async def nobody(_: Script) -> AsyncIterator[RawUpstream]:
    """Be a port on which nobody listens."""
    yield RawUpstream(free_port())


@dataclass
class UnknownHost(RawUpstream):
    """A name that does not resolve."""

    @property
    def url(self) -> str:
        """The URL to give to a proxy."""
        return "http://no-such-host.invalid"


@asynccontextmanager
async def unknown_host(_: Script) -> AsyncIterator[RawUpstream]:
    """Be a name that does not resolve."""
    yield UnknownHost(80)


@asynccontextmanager
async def blackhole(_: Script) -> AsyncIterator[RawUpstream]:
    """Be a port whose queue is full: the kernel drops every further SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        stuffing = [socket.socket() for _ in range(4)]
        for stuffed in stuffing:
            stuffed.setblocking(False)
            with suppress(BlockingIOError):
                stuffed.connect(listener.getsockname())
        await asyncio.sleep(0.05)
        try:
            yield RawUpstream(listener.getsockname()[1])
        finally:
            for stuffed in stuffing:
                stuffed.close()


def head(*lines: bytes) -> bytes:
    """Return a head of an answer."""
    return b"\r\n".join(lines) + b"\r\n\r\n"


_INVALID = {
    "differing lengths": head(b"HTTP/1.1 200 OK", b"Content-Length: 2", b"Content-Length: 3") + b"ok",
    "negative length": head(b"HTTP/1.1 200 OK", b"Content-Length: -2") + b"ok",
    "length and chunked": head(b"HTTP/1.1 200 OK", b"Content-Length: 3", b"Transfer-Encoding: chunked")
    + b"2\r\nok\r\n0\r\n\r\n",
    "header without colon": head(b"HTTP/1.1 200 OK", b"Nonsense", b"Content-Length: 2") + b"ok",
    "NUL in a header": head(b"HTTP/1.1 200 OK", b"X-A: a\0b", b"Content-Length: 2") + b"ok",
    "header of 300 KB": head(b"HTTP/1.1 200 OK", b"X-A: " + b"a" * 300_000, b"Content-Length: 2") + b"ok",
    "status 99": head(b"HTTP/1.1 99 Odd", b"Content-Length: 2") + b"ok",
    "status 999": head(b"HTTP/1.1 999 Odd", b"Content-Length: 2") + b"ok",
    "101 that nobody asked for": head(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: x", b"Connection: upgrade"),
    "HTTP/0.9": b"<p>ok</p>",
    "random bytes": bytes(range(256)),
}

_VALID = {
    "equal lengths": (head(b"HTTP/1.1 200 OK", b"Content-Length: 2", b"Content-Length: 2") + b"ok", "200"),
    "103, then 200": (head(b"HTTP/1.1 103 Early Hints", b"Link: </a>") + OK, "200"),
    "304 with a length": (head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5", b"ETag: x"), "304"),
    "204 with a body": (head(b"HTTP/1.1 204 No Content") + b"surplus", "204"),
    "bytes after the body": (OK + b"surplus", "200"),
    "close-delimited": (head(b"HTTP/1.1 200 OK") + b"ok", "200"),
    "HTTP/1.0": (head(b"HTTP/1.0 200 OK", b"Content-Length: 2") + b"ok", "200"),
    "bare LF": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "200"),
    "its own 500": (head(b"HTTP/1.1 500 Oops", b"Content-Length: 2") + b"ok", "500"),
    "its own 503": (head(b"HTTP/1.1 503 Later", b"Content-Length: 2") + b"ok", "503"),
    "its own 429": (head(b"HTTP/1.1 429 Slowly", b"Content-Length: 2") + b"ok", "429"),
}

_CUT = {
    "bad chunk": (head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"4\r\nsome\r\nzz\r\n", "protocol_error"),
    "length cut short": (head(b"HTTP/1.1 200 OK", b"Content-Length: 100") + b"some", "closed"),
    "chunks cut short": (head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"4\r\nsome\r\n", "closed"),
}


_DIFFERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    # h11 waits for the end of a line that is none
    "HTTP/0.9": dict.fromkeys(("httpx", "httpx2", "httpcore"), ("502 upstream_closed",)),
    # hyper gives up at its own bound or at the end, whichever comes first
    "header of 300 KB": {"pyreqwest": ("502 upstream_protocol_error", "502 upstream_closed", "502 upstream_reset")},
    # aiohttp's parser refuses the head too if what follows is in the same segment and not valid
    "bad chunk": {"aiohttp": ("502 upstream_protocol_error",)},
    "equal lengths": {"aiohttp": ("502 upstream_protocol_error",)},
    "204 with a body": {"aiohttp": ("502 upstream_protocol_error",)},
    "bytes after the body": {"aiohttp": ("502 upstream_protocol_error",)},
}


def _differs(name: str) -> Mapping[str, tuple[str, ...]]:
    return _DIFFERS.get(name, {})


def _error(code: str, status: int = 502) -> dict[str, Any]:
    return {"outcomes": (f"{status} {code}",), "code": code}


def faults() -> list[Fault]:
    """Return the whole table."""
    upload = get("/", "Transfer-Encoding: chunked", method="POST")
    return [
        Fault("connection refused", answer_ok, upstream=nobody, **_error("upstream_connect_error")),
        Fault(
            "unknown name",
            answer_ok,
            upstream=unknown_host,
            seconds=30,
            settings={"connect_timeout_seconds": 30, "read_timeout_seconds": 30},  # a resolver may be slow to say no
            **_error("upstream_dns_error"),
        ),
        Fault(
            "SYN into a black hole",
            answer_ok,
            upstream=blackhole,
            settings={"read_timeout_seconds": 2},  # pyreqwest counts it from the request's beginning
            **_error("upstream_connect_timeout", 504),
        ),
        Fault("closed without answer", says(b""), **_error("upstream_closed")),
        Fault("closed without answer, POST", says(b""), request=POST, **_error("upstream_closed")),
        Fault("connection reset", reset, **_error("upstream_reset")),
        Fault("103 and no more", says(head(b"HTTP/1.1 103 Early Hints", b"Link: </a>")), **_error("upstream_closed")),
        *[
            Fault(
                name,
                says(data, close=name in ("HTTP/0.9", "random bytes")),
                differs=_differs(name),
                **_error("upstream_protocol_error"),
            )
            for name, data in _INVALID.items()
        ],
        *[
            Fault(name, says(data), ("cut",), f"upstream_{why}", differs=_differs(name))
            for name, (data, why) in _CUT.items()
        ],
        # an upstream that hangs up unannounced is another fault: a connection that was kept may be closed by then
        *[
            Fault(name, says(data, close=name == "close-delimited"), (outcome,), differs=_differs(name))
            for name, (data, outcome) in _VALID.items()
        ],
        Fault("silence", sleep, **_error("upstream_read_timeout", 504)),
        Fault("silence in the body", stops_in_the_body, ("cut",), "upstream_read_timeout"),
        Fault("drip", drips(8, 0.1), ("200",), seconds=1.0),
        Fault(
            "drip past the total deadline",
            drips(100, 0.1),
            ("cut",),
            "total_timeout",
            settings={"total_timeout_seconds": 4 * SECONDS},  # enough for a head on a busy machine
            seconds=4 * SECONDS,
        ),
        Fault(
            "late past the total deadline",
            sleep,
            settings={"total_timeout_seconds": SECONDS, "read_timeout_seconds": 5},
            **_error("total_timeout", 504),
        ),
        Fault("slow to close", says(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), pause=0.4), ("200",)),
        Fault(
            "pool exhausted",
            late(1.5),
            ("503 pool_exhausted", "200"),
            "pool_exhausted",
            seconds=1.5,
            settings={"max_connections": 1, "pool_timeout_seconds": 0.1},
        ),
        Fault(
            "overload",
            late(1.0),
            ("503 overloaded", "200"),
            "overloaded",
            seconds=1.0,
            settings={"max_in_flight": 1, "max_waiting": 0},
        ),
        Fault(
            "413 while the upload goes on",
            refuses_early,
            ("413",),
            request=get("/", f"Content-Length: {4 << 20}", method="POST") + bytes(4 << 20),
            upstream=unread_upstream,
            seconds=SECONDS + LINGER_SECONDS,
        ),
        Fault("caller leaves before the head", sleep, ("gone",), leaves="before the head"),
        Fault("caller leaves in the body", stops_in_the_body, ("gone",), leaves="in the body"),
        Fault(
            "caller leaves in the upload",
            sleep,
            ("gone",),
            request=upload + b"4\r\npart\r\n",
            upstream=unread_upstream,
            leaves="in the upload",
        ),
    ]


async def outcome_of(port: int, fault: Fault, timeout: float = 10.0) -> str:
    """Send a fault's request to a proxy and return what became of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sending = asyncio.create_task(_send(writer, fault.request))
    try:
        async with asyncio.timeout(timeout):
            if fault.leaves == "in the body":
                await reader.readuntil(b"some")
            elif fault.leaves:
                await asyncio.sleep(0.05)
            if fault.leaves:
                return "gone"
            return word_for(await reader.read(), fault.request.startswith(b"HEAD"))
    except (ConnectionError, asyncio.IncompleteReadError):
        return "reset"
    except TimeoutError:
        return "no end"
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(ConnectionError):
        writer.write(data)
        await writer.drain()


def word_for(answer: bytes, is_head: bool = False) -> str:
    """Say what an answer is, by its bytes up to the close of the connection."""
    if b"\r\n\r\n" not in answer:
        return "nothing"
    status, headers, body = split(answer)
    named = dict(headers)
    if not is_head and status not in (204, 304):
        if b"chunked" in named.get(b"transfer-encoding", b""):
            whole = body.endswith(b"0\r\n\r\n")
        else:
            whole = len(body) == int(named.get(b"content-length", b"-1"))
        if not whole:
            return "cut"
    error = named.get(b"x-proxy-error")
    return f"{status} {error.decode()}" if error else str(status)
