"""What each client can do, found out on real sockets.

`python -m support.client_capabilities` in tests/ writes the table.
"""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from h2.errors import ErrorCodes

from poolwatch.counters import Cell
from proxy.errors import ProxyError
from support.client_fixture import NAMES, Direct, chunks, direct
from support.eventually import eventually
from support.h2_upstream import Stream, h2_upstream, make_authority
from support.raw_http import Exchange, answer_ok, raw_upstream

TABLE = Path(__file__).parents[1] / "proxy" / "clients.md"

Ability = Callable[[str], Awaitable[str]]

ALL_SET: dict[str, Any] = {
    "max_connection_age_seconds": 60,
    "tcp_keepalive_seconds": 60,
    "total_timeout_seconds": 60,
    "http2": True,
}
"""Every setting that a client might not honour."""


async def target(name: str) -> str:
    """Which request targets arrive as they were sent, of those that a careless library changes."""
    refused = []
    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        for sent in (b"/a%2Fb", b"/%zz", b"//x", b"/a/../b", b"/%2e%2e/x", b"/a\\b", b"/{x}", b"/a#b", b"*"):
            try:
                await proxy.send(sent)
                assert upstream.exchanges[-1].request_line.split(b" ")[1] == sent
            except ProxyError:
                refused.append(f"`{sent.decode()}`")
    return "refuses " + " ".join(refused) if refused else "all"


async def header_bytes(name: str) -> str:
    """Whether a header value that is not UTF-8 arrives."""
    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        try:
            await proxy.send(b"/", (b"x-old", b"caf\xe9"))
        except ProxyError:
            return "refused"
        return "yes" if upstream.exchanges[-1].header("x-old") == [b"caf\xe9"] else "changed"


async def order(name: str) -> str:
    """Whether headers keep their order when a name comes twice."""
    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        await proxy.send(b"/", (b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3"))
        values = [line.split(b": ")[1] for line in upstream.exchanges[-1].header_lines if line.startswith(b"x-")]
        return "kept" if values == [b"1", b"2", b"3"] else "equal names moved together"


async def invented(name: str) -> str:
    """Which headers it adds by itself."""
    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        await proxy.send()
        lines = upstream.exchanges[-1].header_lines
        return (
            ", ".join(f"`{line.decode().strip()}`" for line in lines if not line.lower().startswith(b"host")) or "none"
        )


async def answer_headers(name: str) -> str:
    """Whether an answer's header that is not ASCII comes through."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nX-Old: caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n")

    async with raw_upstream(script) as upstream, direct(upstream.url, name) as proxy:
        _, headers, _ = await proxy.send()
        return "yes" if [value for key, value in headers if key.lower() == b"x-old"] == [b"caf\xc3\xa9"] else "left out"


async def reuse_known(name: str) -> str:
    """Whether it is known how many connections were opened, and which request reused one."""
    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        await proxy.send()
        await proxy.send()
        known = (proxy.cell(Cell.OPENED), proxy.cell(Cell.REUSED)) == (1, 1) and proxy.client.connections() is not None
        return "yes" if known else "no"


async def cancelled(name: str) -> str:
    """What becomes, at the upstream, of a request that is cancelled before its answer begins."""

    async def script(exchange: Exchange) -> None:
        await exchange.reader.read()

    async with raw_upstream(script) as upstream, direct(upstream.url, name, read_timeout_seconds=1) as proxy:
        scope = anyio.CancelScope()
        task = asyncio.create_task(_within(scope, proxy))
        await eventually(lambda: len(upstream.exchanges) == 1)
        scope.cancel()
        await task
        with suppress(AssertionError):
            await eventually(lambda: upstream.closed == 1, within=0.3)
        return "ended at once" if upstream.closed else "goes on to the read time-out"


async def slow_upload(name: str) -> str:
    """Whether an upload may take longer than the read time-out."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(0.15)
            yield b"x"

    async with raw_upstream() as upstream, direct(upstream.url, name, read_timeout_seconds=0.3) as proxy:
        try:
            await proxy.send(b"/", (b"content-length", b"4"), method="POST", body=body())
        except ProxyError:
            return "no"
        return "yes"


async def idle_close(name: str) -> str:
    """When an idle connection is closed after its expiry."""
    async with raw_upstream(answer_ok) as upstream, direct(upstream.url, name, keepalive_expiry_seconds=0.1) as proxy:
        await proxy.send(b"/", (b"content-length", b"1"), method="POST", body=chunks(b"x"))
        with suppress(AssertionError):
            await eventually(lambda: upstream.closed == 1, within=0.6)
        return "by itself" if upstream.closed else "with the next request"


async def http2(name: str) -> str:
    """Whether HTTP/2 is agreed on with an upstream that has it."""
    with tempfile.TemporaryDirectory() as folder:
        authority = await asyncio.to_thread(make_authority, Path(folder))
        async with (
            h2_upstream(authority) as upstream,
            direct(upstream.url, name, http2=True, ca_file=authority / "ca.pem") as proxy,
        ):
            await proxy.send()
            return "yes" if upstream.protocols == ["h2"] else "no, HTTP/1.1"


async def http2_reset(name: str) -> str:
    """What an answer without a length becomes that ends by a RST_STREAM without an error, in the middle."""

    async def script(stream: Stream) -> None:
        await stream.head()
        await stream.send(b"some")
        await asyncio.sleep(0.05)
        stream.connection.state.reset_stream(stream.number, ErrorCodes.NO_ERROR)
        await stream.connection.flush()

    with tempfile.TemporaryDirectory() as folder:
        authority = await asyncio.to_thread(make_authority, Path(folder))
        async with (
            h2_upstream(authority, script) as upstream,
            direct(upstream.url, name, http2=True, ca_file=authority / "ca.pem") as proxy,
        ):
            try:
                await proxy.send()
            except ProxyError as error:
                return f"`{error.code}`"
            return "taken for whole" if upstream.streams else "no HTTP/2"


async def tls_cut(name: str) -> str:
    """What an answer without a length becomes over TLS that ends with the connection, without TLS's own end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nsome")
        await asyncio.sleep(0.05)
        writer.transport.abort()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        authority = await asyncio.to_thread(make_authority, Path(folder))
        context.load_cert_chain(authority / "server.pem", authority / "server.key")
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with direct(url, name, ca_file=authority / "ca.pem") as proxy:
                try:
                    await proxy.send()
                except ProxyError as error:
                    return f"`{error.code}`"
                return "taken for whole"


async def unsupported(name: str) -> str:
    """What it says it cannot honour when everything is set."""
    async with direct("https://127.0.0.1:1", name, **ALL_SET) as proxy:
        return ", ".join(f"`{variable}`" for variable in proxy.client.unsupported()) or "nothing"


ABILITIES: dict[str, Ability] = {
    "request target sent byte for byte": target,
    "header value that is not UTF-8 is sent": header_bytes,
    "order of the headers": order,
    "headers of its own": invented,
    "header of an answer that is not ASCII": answer_headers,
    "opened, reused and closed connections are known": reuse_known,
    "a cancelled request, before its answer": cancelled,
    "an upload may outlast the read time-out": slow_upload,
    "an idle connection is closed at its expiry": idle_close,
    "HTTP/2 to an https upstream that has it": http2,
    "an HTTP/2 answer of unknown length that is reset without an error": http2_reset,
    "an answer of unknown length, over TLS, that ends without `close_notify`": tls_cut,
    "cannot honour, of an https upstream with HTTP/2 (see /-/config for why)": unsupported,
}


async def table() -> str:
    """Return the table as Markdown."""
    lines = [
        "# What each client can do",
        "",
        "Found out by the tests; make it anew with `python -m support.client_capabilities` in tests/.",
        "",
        f"| | {' | '.join(NAMES)} |",
        f"|---|{'---|' * len(NAMES)}",
    ]
    for text, ability in ABILITIES.items():
        cells = await asyncio.gather(*[ability(name) for name in NAMES])
        lines.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


async def _within(scope: anyio.CancelScope, proxy: Direct) -> None:
    with scope:
        await proxy.send()


if __name__ == "__main__":
    TABLE.write_text(asyncio.run(table()))
