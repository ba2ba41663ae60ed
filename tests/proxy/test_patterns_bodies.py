"""What becomes of a body, its headers and its status on the way through each pattern."""

import asyncio
import gc
import gzip

from support.raw_http import Exchange, dechunked, get, raw_upstream, roundtrip, split
from support.servers import running_proxy

LINES = b"".join(b"line %d\n" % number for number in range(1000))
ZIPPED = gzip.compress(LINES)


Got = tuple[int, dict[bytes, bytes], bytes]


async def through(calls: list[tuple[str, bytes]]) -> list[Got]:
    """Return status, headers and body that a caller of each pattern gets for an upstream's answer."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(calls[int(exchange.request_line.split()[1][1:])][1])

    got = []
    async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
        for number, (name, _) in enumerate(calls):
            status, headers, body = split(await roundtrip(proxy.port, get(f"/-/patterns/{name}/{number}")))
            got.append((status, dict(headers), dechunked(headers, body)))
        pool = await proxy.pool()
    assert (pool["requests"]["answered"], pool["requests"]["failed"]) == (len(calls), 0)
    assert pool["active"] == 0
    return got


def answer(body: bytes, *header_lines: str, status: str = "200 OK") -> bytes:
    """Return an upstream's answer with a length."""
    lines = [f"HTTP/1.1 {status}", *header_lines, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


GZIP = answer(ZIPPED, "Content-Type: text/plain", "Content-Encoding: gzip")


COMPRESSED = {
    "stream_aiter_raw": ZIPPED,
    "async_lifespan_state": ZIPPED,
    "stream_aiter_bytes": LINES,
    "stream_aiter_text": LINES,
    "stream_aiter_lines": LINES.replace(b"\n", b""),
    "buffered_by_content_type": LINES,
}


async def test_a_compressed_body_without_its_headers() -> None:
    """aiter_raw passes on what nothing says is gzip; the others decompress; aiter_lines loses the line ends."""
    answers = await through([(name, GZIP) for name in COMPRESSED])
    for (name, expected), got in zip(COMPRESSED.items(), answers, strict=True):
        status, headers, body = got
        assert status == 200
        assert body == expected, name
        assert b"content-encoding" not in headers


async def test_raw_bytes_go_with_the_upstreams_headers() -> None:
    """Encoding and length are those of the bytes."""
    [(_, headers, body)] = await through([("stream_raw_with_headers", GZIP)])
    assert body == ZIPPED
    assert headers[b"content-encoding"] == b"gzip"
    assert headers[b"content-length"] == b"%d" % len(ZIPPED)


async def test_two_cookies_stay_two_lines() -> None:
    """Headers are pairs; a dict of them joins what must not be joined."""
    cookies = answer(b"", "Set-Cookie: a=1", "Set-Cookie: b=2; Expires=Thu, 01 Jan 2099 00:00:00 GMT")

    async with (
        raw_upstream(lambda exchange: exchange.send(cookies)) as upstream,
        running_proxy(upstream.url) as proxy,
    ):
        for name, lines in (("stream_raw_with_headers", 2), ("stream_bytes_with_headers", 1)):
            _, headers, _ = split(await roundtrip(proxy.port, get(f"/-/patterns/{name}/")))
            assert (name, sum(header == b"set-cookie" for header, _ in headers)) == (name, lines)


async def test_decoded_bytes_do_not_go_with_the_upstreams_headers() -> None:
    """Said to be gzip and of the compressed length, is neither: cut, and the slot left to the garbage collector.

    The background task is not run after an error: five answers that did not fit their length hold five slots.
    """

    gc.collect()
    gc.disable()
    try:

        async def script(exchange: Exchange) -> None:
            await exchange.send(GZIP)

        async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
            for _ in range(5):
                answered = await roundtrip(proxy.port, get("/-/patterns/stream_bytes_with_headers/"))
                _, headers, body = split(answered)
                assert (b"content-encoding", b"gzip") in headers
                assert (b"content-length", b"%d" % len(ZIPPED)) in headers
                assert len(body) <= len(ZIPPED)
                assert body == LINES[: len(body)]
            await asyncio.sleep(0.1)
            pool = await proxy.pool()
            assert (pool["active"], pool["requests"]["in_flight"], pool["requests"]["aborted"]) == (5, 0, 5)
            gc.collect()
            await asyncio.sleep(0.1)
            pool = await proxy.pool()
            assert (pool["active"], pool["closed"]) == (0, 5)
    finally:
        gc.enable()


async def test_decoded_bytes_with_headers_are_fine_until_something_is_compressed() -> None:
    """Which is why nobody notices."""
    plain = answer(LINES, "Content-Type: text/plain")
    [(status, headers, body)] = await through([("stream_bytes_with_headers", plain)])
    assert (status, body) == (200, LINES)
    assert headers[b"content-length"] == b"%d" % len(LINES)


async def test_aiter_text_destroys_what_is_not_text_and_re_encodes_what_is() -> None:
    """A picture gets longer; Latin-1 comes out as UTF-8, where aiter_bytes leaves it alone."""
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
    png = answer(picture, "Content-Type: image/png")
    latin = answer(b"caf\xe9", "Content-Type: text/plain; charset=iso-8859-1")
    calls = [("stream_aiter_text", png), ("async_module_global", png)]
    calls += [("stream_aiter_text", latin), ("stream_aiter_bytes", latin)]
    destroyed, also, re_encoded, left = [body for _, _, body in await through(calls)]
    assert len(destroyed) > len(picture)
    assert "\ufffd".encode() in destroyed
    assert also == destroyed
    assert re_encoded == "café".encode()
    assert left == b"caf\xe9"


BUFFERED = [
    ("application/json", b'{"a": 1.0,  "a":2, "b": 1e2}', b'{"a":2,"b":100.0}', b"application/json"),
    ("application/json; charset=utf-8", b'{"a":  1}', b'{"a":  1}', None),
    ("text/plain", b"hello", b"hello", b"text/plain; charset=utf-8"),
    ("text/plain; charset=utf-8", b"hello", b"hello", None),
    ("image/png", b"\x89PNG", b"\x89PNG", None),
]


async def test_buffering_by_content_type_rewrites_json_and_overlooks_a_charset() -> None:
    """Exact comparison: everything but the two bare types loses its type."""
    answers = [answer(sent, f"Content-Type: {content_type}") for content_type, sent, _, _ in BUFFERED]
    got = await through([("buffered_by_content_type", each) for each in answers])
    for (content_type, _, expected, type_expected), (_, headers, body) in zip(BUFFERED, got, strict=True):
        assert (content_type, body) == (content_type, expected)
        assert (content_type, headers.get(b"content-type")) == (content_type, type_expected)


KEEP_THE_STATUS = ("stream_raw_with_headers", "stream_bytes_with_headers", "requests_session", "httpx_sync_shared")
LOSE_IT = ("async_lifespan_state", "stream_aiter_raw", "chunk_generator", "buffered_by_content_type")


async def test_an_upstreams_error_stays_one_or_becomes_200() -> None:
    """The seeds' code passes the body on and not the status; no counter of errors ever sees it."""
    error = answer(b"no", "Content-Type: text/plain", status="503 Service Unavailable")
    names = (*KEEP_THE_STATUS, *LOSE_IT)
    got = await through([(name, error) for name in names])
    for name, (status, headers, body) in zip(names, got, strict=True):
        assert (name, status) == (name, 503 if name in KEEP_THE_STATUS else 200)
        assert body == b"no"
        assert b"x-proxy-error" not in headers
