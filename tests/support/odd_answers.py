"""Answers that other HTTP clients' test suites send, whole and broken: what a caller is to see of each.

Outcomes are words: `200 ok` (an answer that is whole, its status and body), `502 upstream_closed` (the proxy's own
error), `cut` (an answer that began and was visibly not whole). RFC 9112 often allows to refuse or to repair (a folded
line, section 5.2): both are right then, and what each client does is a row of behaviours.md.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from support.behaviours import CLIENTS
from support.faults import reset
from support.raw_http import Exchange, get, split

START: Final = b"HTTP/1.1 200 OK\r\n"
LENGTH: Final = START + b"Content-Length: 2\r\n"
OK: Final = LENGTH + b"\r\nok"
CHUNKED: Final = START + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS: Final = b"2\r\nok\r\n0\r\n\r\n"

BAD: Final = "502 upstream_protocol_error"
CLOSED: Final = "502 upstream_closed"
RESET: Final = "502 upstream_reset"
TAKEN: Final = "200 ok"

Word = str | tuple[str, ...]

CORE: Final = ("httpx", "httpx2", "httpcore")


@dataclass(frozen=True)
class OddAnswer:
    """What an upstream sends, in which pieces, how it ends the connection, and what a caller is to see."""

    pieces: tuple[bytes, ...]
    outcomes: tuple[str, ...]
    differs: Mapping[str, tuple[str, ...]]
    ending: str = "open"
    method: str = "GET"

    def expected(self, client: str) -> tuple[str, ...]:
        """Return what a caller may see with a client."""
        return self.differs.get(client, self.outcomes)

    async def send(self, exchange: Exchange) -> None:
        """Send it. It ends the connection a moment later, as an RST may overtake what was sent."""
        for index, piece in enumerate(self.pieces):
            if index:
                await asyncio.sleep(0.005)
            await exchange.send(piece)
        if self.ending == "open":
            return
        await asyncio.sleep(0.02)
        if self.ending == "reset":
            await reset(exchange)
        exchange.writer.close()


def odd(sent: bytes | tuple[bytes, ...], *outcomes: str, ending: str = "open", **differs: Word) -> OddAnswer:
    """Return an answer to GET; `core` in `differs` is httpx, httpx2 and httpcore."""
    pieces = sent if isinstance(sent, tuple) else (sent,)
    by_client: dict[str, tuple[str, ...]] = {}
    for client, word in differs.items():
        words = word if isinstance(word, tuple) else (word,)
        by_client |= dict.fromkeys(CORE if client == "core" else (client,), words)
    return OddAnswer(pieces, outcomes, by_client, ending)


def to_head(sent: bytes, *outcomes: str, **differs: Word) -> OddAnswer:
    """Return an answer to HEAD."""
    return replace(odd(sent, *outcomes, ending="open", **differs), method="HEAD")


def _with_start(start: bytes) -> bytes:
    return start + b"\r\nContent-Length: 2\r\n\r\nok"


def _with_line(line: bytes) -> bytes:
    return START + line + b"\r\nContent-Length: 2\r\n\r\nok"


def _coded(value: bytes) -> bytes:
    return START + b"Transfer-Encoding:" + value + b"\r\n\r\n" + CHUNKS


def _headers(count: int) -> bytes:
    return START + b"".join(b"X-%d: 1\r\n" % number for number in range(count - 1)) + b"Content-Length: 2\r\n\r\nok"


def _bytes_of(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + 1] for at in range(len(data)))


_STATUS_LINES: Final = {
    "no reason": odd(_with_start(b"HTTP/1.1 200"), TAKEN),
    "an empty reason": odd(_with_start(b"HTTP/1.1 200 "), TAKEN),
    "a reason that is not ASCII": odd(_with_start(b"HTTP/1.1 200 D\xe9j\xe0"), TAKEN),
    "NUL in the reason, which is not passed on": odd(_with_start(b"HTTP/1.1 200 O\0K"), BAD, aiohttp=TAKEN),
    "`HTTP/1.2`": odd(_with_start(b"HTTP/1.2 200 OK"), BAD, core=TAKEN),
    "`HTTP/2.0` in plain text": odd(_with_start(b"HTTP/2.0 200 OK"), BAD, core=TAKEN, aiohttp=TAKEN),
    "`RTSP/1.0`": odd(_with_start(b"RTSP/1.0 200 OK"), BAD, aiohttp=TAKEN),
    "an empty line before the status line": odd(b"\r\n" + OK, BAD, aiohttp=TAKEN, pyreqwest=TAKEN),
    **{
        start.decode("latin-1"): odd(_with_start(start), BAD)
        for start in (
            b"HTTP/1.1 200\tOK",
            b"HTTP/1.1  200 OK",
            b"HTTP/1.1\t200 OK",
            b"HTTP/1.1 20 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 2xx OK",
            b"HTTP/1.1 +20 OK",
            b"HTTP/1.1 000 OK",
            b"HTTP/1.1 600 OK",
            b"HTTP/1.1",
            b"http/1.1 200 OK",
            b"HTTP/3 200 OK",
            b"HTTP/1 200 OK",
            b"HTTP/01.1 200 OK",
            b"HTTP/1.10 200 OK",
            b"ICY 200 OK",
            b" HTTP/1.1 200 OK",
            b"garbage\r\nHTTP/1.1 200 OK",
            b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK",
            b"GET / HTTP/1.1",
        )
    },
    "TLS": odd(b"\x15\x03\x01\x00\x02\x02\x46", BAD, ending="close"),
    "frames of HTTP/2": odd(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", BAD, ending="close"),
}

_HEADS: Final = {
    "a folded header": odd(_with_line(b"X-A: 1\r\n 2"), BAD, core=TAKEN, aiohttp=TAKEN),
    "a first header that begins with a space": odd(_with_line(b" X-A: 1"), BAD, aiohttp=TAKEN),
    "a folded Content-Length": odd(START + b"Content-Length:\r\n 2\r\n\r\nok", BAD, core=TAKEN, aiohttp=TAKEN),
    "a folded Transfer-Encoding": odd(_coded(b"\r\n chunked"), BAD, core=TAKEN, aiohttp=TAKEN),
    "LF and CRLF": odd(b"HTTP/1.1 200 OK\nX-A: 1\r\nContent-Length: 2\n\r\nok", TAKEN),
    "CR alone ends lines": odd(OK.replace(b"\r\n", b"\r"), BAD, ending="close", core=CLOSED),
    **{
        repr(line)[2:-1]: odd(_with_line(line), BAD)
        for line in (
            b"Content-Length: 2\r\n 0",
            b"X-A: 1\rX-B: 2",
            b"X A: 1",
            b"X-A : 1",
            b"Content-Length : 2",
            b"Transfer-Encoding : chunked",
            b": 1",
            b"X(A): 1",
            b"X-\xe9: 1",
            b"X\0A: 1",
            b"X-A: a\x7fb",
            b"X-A: a\x07b",
            b"X-A",
        )
    },
    "an empty value": odd(_with_line(b"X-A:"), TAKEN),
    "100 headers": odd(_headers(100), TAKEN),
    "101 headers": odd(_headers(101), TAKEN, pyreqwest=BAD),
    "128 headers": odd(_headers(128), TAKEN, pyreqwest=BAD),
    "129 headers": odd(_headers(129), TAKEN, pyreqwest=BAD, aiohttp=BAD),
    "2000 headers": odd(_headers(2000), TAKEN, pyreqwest=BAD, aiohttp=BAD),
    "a line of 60 kB": odd(_with_line(b"X-A: " + b"a" * 60_000), TAKEN),
    "a head of 80 kB": odd(_with_line(b"\r\n".join([b"X-A: " + b"a" * 1000] * 80)), BAD),
    "byte by byte": odd(_bytes_of(OK), TAKEN),
}

_INTERIM: Final = {
    "100, a thousand times": odd(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + OK, TAKEN),
    "103, in ten pieces": odd((*[b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 10] * 10, OK), TAKEN),
    "102 with a length": odd(b"HTTP/1.1 102 Processing\r\nContent-Length: 2\r\n\r\n" + OK, TAKEN),
    "103 with a coding": odd(b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + OK, TAKEN),
    "199": odd(b"HTTP/1.1 199 Odd\r\n\r\n" + OK, TAKEN),
    "100 in HTTP/1.0": odd(b"HTTP/1.0 100 Continue\r\n\r\n" + OK, TAKEN, aiohttp=BAD),
    "100 with `Connection: close`": odd(
        b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + OK, TAKEN, ending="close", aiohttp=BAD
    ),
    "100 and half a head": odd(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", CLOSED, ending="close"),
}

_FRAMES: Final = {
    "two equal lengths": odd(LENGTH + b"Content-Length: 2\r\n\r\nok", TAKEN, aiohttp=BAD),
    "equal lengths as a list": odd(START + b"Content-Length: 2, 2\r\n\r\nok", TAKEN, aiohttp=BAD),
    "a length with zeros": odd(START + b"Content-Length: 002\r\n\r\nok", TAKEN),
    "a length of 20 digits": odd(START + b"Content-Length: 99999999999999999999\r\n\r\nok", BAD, ending="close"),
    "a length of 40 digits that are zeros, and one": odd(
        START + b"Content-Length: " + b"0" * 40 + b"2\r\n\r\nok", TAKEN, core=BAD
    ),
    "a length of 5000 zeros": odd(START + b"Content-Length: " + b"0" * 5000 + b"2\r\n\r\nok", TAKEN, core=BAD),
    **{
        f"Content-Length:{value.decode()}": odd(START + b"Content-Length:" + value + b"\r\n\r\nok", BAD, ending="close")
        for value in (
            b" 2\r\nContent-Length: 3",
            b" 2, 3",
            b" +2",
            b" -2",
            b" 0x2",
            b" 2.0",
            b" 2 2",
            b"",
            b" two",
            b" 1_0",
        )
    },
    "a length in other digits": odd(START + b"Content-Length: \xd9\xa2\r\n\r\nok", BAD, ending="close"),
    "`Chunked`": odd(_coded(b"Chunked"), TAKEN),
    "chunked between spaces": odd(_coded(b" \t chunked "), TAKEN),
    "chunked in HTTP/1.0": odd(
        _coded(b" chunked").replace(b"HTTP/1.1", b"HTTP/1.0"), TAKEN, ending="close", pyreqwest=BAD
    ),
    **{
        f"Transfer-Encoding:{value.decode()}": odd(_coded(value), BAD, ending="close")
        for value in (
            b" chunked\r\nContent-Length: 12",
            b" xchunked",
            b" \x0bchunked",
            b" chunked, identity",
            b" chunked, chunked",
            b" identity",
            b" gzip",
            b"\r\nContent-Length: 2",
            b' "chunked"',
            b" chunked;a=b",
        )
    },
    "chunked with 204": odd(b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", "204 "),
    "chunked with 304": odd(b"HTTP/1.1 304 Not\r\nTransfer-Encoding: chunked\r\n\r\n", "304 "),
    "chunked to HEAD": to_head(CHUNKED, "200 "),
    "204 with a length": odd(b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n", "204 "),
    "205 with a body": odd(b"HTTP/1.1 205 Reset\r\nContent-Length: 2\r\n\r\nok", "205 ok"),
    "304 with a body": odd(b"HTTP/1.1 304 Not\r\nContent-Length: 2\r\n\r\nok", "304 ", aiohttp=BAD),
    "HEAD with chunks": to_head(CHUNKED + CHUNKS, "200 ", aiohttp=BAD),
}

_MALFORMED: Final = ("cut", BAD)
"""An answer whose head may have gone on before its body turned out not to be HTTP."""

_CHUNKS: Final = {
    "extensions": odd(CHUNKED + b'2;a=b;c="x;y"\r\nok\r\n0;c\r\n\r\n', TAKEN),
    "an extension of 10 kB": odd(CHUNKED + b"2;" + b"a" * 10_000 + b"\r\nok\r\n0\r\n\r\n", TAKEN),
    "an extension of 1 MB": odd(
        CHUNKED + b"2;" + b"a" * 1_000_000 + b"\r\nok\r\n0\r\n\r\n", *_MALFORMED, aiohttp=TAKEN
    ),
    "CR in an extension": odd(CHUNKED + b"2;a\rb\r\nok\r\n0\r\n\r\n", *_MALFORMED, core=TAKEN),
    "a space before an extension": odd(CHUNKED + b"2 ;a\r\nok\r\n0\r\n\r\n", TAKEN, core=_MALFORMED),
    "a space behind a size": odd(CHUNKED + b"2 \r\nok\r\n0 \r\n\r\n", TAKEN),
    "zeros before a size": odd(CHUNKED + b"0002\r\nok\r\n000\r\n\r\n", TAKEN),
    "LF behind a chunk": odd(CHUNKED + b"2\r\nok\n0\r\n\r\n", *_MALFORMED, ending="close", aiohttp=TAKEN),
    **{
        f"{chunks!r}"[2:-1]: odd(CHUNKED + chunks + b"\r\n0\r\n\r\n", *_MALFORMED, ending="close")
        for chunks in (
            b"2;a\nb\r\nok",
            b" 2\r\nok",
            b"0x2\r\nok",
            b"+2\r\nok",
            b"-2\r\nok",
            b"1_0\r\n0123456789abcdef",
            b"\r\nok",
            b"1\r\nok",
            b"4\r\nok",
            b"2\nok",
            b"2\rok",
            b"2\r\nok0",
        )
    },
    "a size of 17 digits": odd(
        CHUNKED + b"10000000000000002\r\nok\r\n0\r\n\r\n", *_MALFORMED, ending="close", core=("cut", CLOSED)
    ),
    "chunks byte by byte": odd(_bytes_of(CHUNKED + CHUNKS), TAKEN),
    "a trailer": odd(CHUNKED + CHUNKS[:-2] + b"X-A: 1\r\n\r\n", TAKEN),
    "a trailer Content-Length": odd(CHUNKED + b"2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n", TAKEN, aiohttp=_MALFORMED),
    "a trailer Content-Length, later": odd(
        (CHUNKED, b"2\r\nok\r\n", b"0\r\nContent-Length: 9\r\n\r\n"), TAKEN, aiohttp=_MALFORMED
    ),
    "a trailer Transfer-Encoding": odd(CHUNKED + b"2\r\nok\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", TAKEN),
    "a trailer without colon": odd(CHUNKED + b"2\r\nok\r\n0\r\nnonsense\r\n\r\n", *_MALFORMED),
    "200 trailers": odd(
        CHUNKED + b"2\r\nok\r\n0\r\n" + b"X-A: 1\r\n" * 200 + b"\r\n", TAKEN, aiohttp=_MALFORMED, pyreqwest=_MALFORMED
    ),
    "trailers of 1 MB": odd(CHUNKED + b"2\r\nok\r\n0\r\n" + b"X-A: aaaaaaaaaaaaaa\r\n" * 50_000 + b"\r\n", *_MALFORMED),
}

WITH_TRAILER: Final = CHUNKS[:-2] + b"X-A: 1\r\n\r\n"

_ENDS: Final = {
    "HTTP/1.0 that is kept": odd(OK.replace(b"1.1 200 OK", b"1.0 200 OK\r\nConnection: keep-alive"), TAKEN),
    "HTTP/1.0 that is kept, without a length": odd(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nok", TAKEN, ending="close"
    ),
    "a body up to the close": odd(START + b"\r\nok", TAKEN, ending="close"),
    "a body up to a reset": odd(START + b"\r\nok", "cut", RESET, ending="reset"),
    "an empty line behind the answer": odd(OK + b"\r\n", TAKEN),
    "a second answer": odd(OK + OK.replace(b"ok", b"no"), TAKEN),
    "NULs behind the answer": odd(OK + bytes(10), TAKEN, aiohttp=BAD),
    "bytes behind chunks": odd(CHUNKED + CHUNKS + b"surplus", TAKEN, aiohttp=BAD),
    **{f"closed behind {OK[:at]!r}": odd(OK[:at], CLOSED, ending="close") for at in range(1, OK.index(b"ok"))},
    **{
        f"{how} behind {sent!r}": odd(sent, "cut", word, ending=how)
        for how, word in (("close", CLOSED), ("reset", RESET))
        for sent in (OK[:-2], OK[:-1], *[CHUNKED + WITH_TRAILER[:at] for at in range(len(WITH_TRAILER) - 1)])
    },
}

ODD: Final[Mapping[str, OddAnswer]] = {**_STATUS_LINES, **_HEADS, **_INTERIM, **_FRAMES, **_CHUNKS, **_ENDS}


async def seen_by_caller(port: int, target: str, method: str = "GET") -> str:
    """Ask a proxy, and return what became of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(get(target, method=method))
        async with asyncio.timeout(10):
            return _word_for(await reader.read(), method)
    except ConnectionError:
        return "cut"
    except TimeoutError:
        return "no end"
    finally:
        writer.transport.abort()


def _word_for(received: bytes, method: str) -> str:
    """Say what the bytes of an answer are; its body is given out of its chunks."""
    if b"\r\n\r\n" not in received:
        return "nothing"
    status, fields, body = split(received)
    named = dict(fields)
    if error := named.get(b"x-proxy-error"):
        return f"{status} {error.decode()}"
    whole = b""
    if b"transfer-encoding" in named and method != "HEAD" and status not in (204, 304):
        while body != b"0\r\n\r\n":
            size, _, rest = body.partition(b"\r\n")
            length = int(size or b"0", 16)
            if not 0 < length <= len(rest) - 2:
                return "cut"
            whole, body = whole + rest[:length], rest[length + 2 :]
        body = b""
    elif len(body) < int(named.get(b"content-length", b"0")) and method != "HEAD":
        return "cut"
    return f"{status} {(whole + body).decode()}"


def table() -> list[str]:
    """Return the rows of those that the clients take differently."""
    words = {TAKEN: "taken", BAD: "502"}
    rows = []
    for name, each in ODD.items():
        firsts = [each.expected(client)[0] for client in CLIENTS]
        seen = [words.get(word, word).strip() for word in firsts]
        if len(set(seen)) > 1:
            rows.append(f"| {name} | {' | '.join(seen)} |")
    return rows
