"""HTTP by hand on real sockets: a scripted upstream and a client that see and send bytes, not messages."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Script = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    """One request that a raw upstream received, and the connection to answer on."""

    head: bytes
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number_on_connection: int

    @property
    def request_line(self) -> bytes:
        """The first line as it came."""
        return self.head.split(b"\r\n", 1)[0]

    @property
    def header_lines(self) -> list[bytes]:
        """The header lines as they came."""
        return self.head.rstrip(b"\r\n").split(b"\r\n")[1:]

    def header(self, name: str) -> list[bytes]:
        """All values of a header."""
        wanted = name.lower().encode()
        pairs = (line.split(b":", 1) for line in self.header_lines)
        return [value.strip() for key, value in pairs if key.lower() == wanted]

    async def send(self, data: bytes) -> None:
        """Write bytes and wait until they are on their way."""
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class RawUpstream:
    """A listening socket with a script for each request; remembers what came."""

    port: int
    exchanges: list[Exchange] = field(default_factory=list)
    connections: int = 0
    closed: int = 0

    @property
    def url(self) -> str:
        """The URL to give to a proxy."""
        return f"http://127.0.0.1:{self.port}"


async def answer_ok(exchange: Exchange) -> None:
    """Answer 200 with two bytes."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@asynccontextmanager
async def raw_upstream(script: Script = answer_ok, *, reads_body: bool = True) -> AsyncIterator[RawUpstream]:
    """Serve a script on an ephemeral port of 127.0.0.1; without `reads_body` the script reads the body itself."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # not a coroutine function: asyncio prints a traceback for each connection whose own task was cancelled
        upstream.connections += 1
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            number = 0
            while (head := await _head(reader)) is not None:
                number += 1
                exchange = Exchange(head, b"", reader, writer, number)
                if reads_body:
                    exchange.body = await read_body(reader, exchange)
                upstream.exchanges.append(exchange)
                await script(exchange)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()  # what the other side has not read by now it never will
            raise
        finally:
            upstream.closed += 1
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    upstream = RawUpstream(server.sockets[0].getsockname()[1])
    try:
        yield upstream
    finally:
        server.close()
        for _ in range(3):  # steps of the loop until a connection that was accepted just now has its task
            await asyncio.sleep(0)
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None


async def read_body(reader: asyncio.StreamReader, exchange: Exchange) -> bytes:
    """Read a request's body by its framing."""
    if exchange.header("content-length"):
        return await reader.readexactly(int(exchange.header("content-length")[0]))
    if not exchange.header("transfer-encoding"):
        return b""
    chunks = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(chunks)


async def roundtrip(port: int, request: bytes, timeout: float = 10.0, *, half_close: bool = False) -> bytes:
    """Send bytes, with `half_close` a FIN too, and return everything that comes until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        if half_close:
            writer.write_eof()
        await writer.drain()
        async with asyncio.timeout(timeout):
            return await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def half_closed(port: int, request: bytes) -> bytes:
    """Send bytes and a FIN, and return everything that comes."""
    return await roundtrip(port, request, half_close=True)


def statuses(answers: bytes) -> list[int]:
    """Return the status of each final answer among bytes whose bodies hold no status line."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([2-5]\d\d) ", answers)]


def get(target: str = "/", *header_lines: str, method: str = "GET") -> bytes:
    """Return a request that asks the server to close afterwards."""
    lines = [f"{method} {target} HTTP/1.1", "Host: proxy.test", "Connection: close", *header_lines]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def split(answer: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and raw body of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines[1:])]
    return int(lines[0].split()[1]), headers, body


def dechunked(headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Return the content of a whole body as `split` gives it, without the chunks if it came in any."""
    if (b"transfer-encoding", b"chunked") not in headers:
        return body
    content = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        content += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return content
