"""httpbin's words."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from support.mock_upstream import RunMock
from upstream_mock.httpbin import ALL_METHODS


@pytest.fixture
async def client(run_mock: RunMock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a mock without latency, which completes every request."""
    async with run_mock(latency="constant(0ms)") as running:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.data}", timeout=15) as client:
            yield client
        stats = running.mock.stats()["requests"]
        assert stats["started"] == stats["completed"] > 0


async def test_get_and_headers(client: httpx.AsyncClient) -> None:
    """/get shows arguments (lists of what came twice), headers, origin and URL; /headers only those."""
    said = (await client.get("/get?a=1&b=2&b=3&c=", headers={"x-some-thing": "v"})).json()
    assert said["args"] == {"a": "1", "b": ["2", "3"], "c": ""} or said["args"] == {"a": "1", "b": ["2", "3"]}
    assert said["headers"]["X-Some-Thing"] == "v"
    assert said["origin"] == "127.0.0.1"
    assert said["url"].endswith("/get?a=1&b=2&b=3&c=")
    assert (await client.get("/headers")).json() == {"headers": (await client.get("/get")).json()["headers"]}


async def test_anything_answers_every_method(client: httpx.AsyncClient) -> None:
    """With the method, and the path in the URL; HEAD with neither."""
    for method in ALL_METHODS:
        for path in ("/anything", "/anything/a/b"):
            answer = await client.request(method, path)
            assert answer.status_code == 200
            if method == "HEAD":
                assert answer.content == b""
            else:
                assert answer.json()["method"] == method
                assert answer.json()["url"].endswith(path)


async def test_an_upgrade_is_ignored_and_its_body_read(run_mock: RunMock) -> None:
    """In one packet and in pieces, and the connection goes on; what `curl --http2 -d` sends."""
    head = (
        b"POST /post HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nContent-Length: 7\r\n\r\n"
    )
    async with run_mock(latency="constant(0ms)") as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.data)
        by_proxy = head.replace(b"Connection:", b"Proxy-Connection:")  # read as Connection by the parser
        for pieces in ([head + b'{"a":1}'], [head, b'{"a"', b":1}"], [by_proxy + b'{"a":1}']):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.02)
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert answer.startswith(b"HTTP/1.1 200 ")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert json.loads(await reader.readexactly(length))["data"] == '{"a":1}'
        writer.close()
        assert running.mock.stats()["requests"]["completed"] == 3


BODIES: list[tuple[str, bytes, dict[str, object]]] = [
    ("text/plain", "héllo".encode(), {"data": "héllo", "form": {}, "json": None}),
    ("application/json", b'{"a": [1]}', {"data": '{"a": [1]}', "json": {"a": [1]}}),
    ("application/json", b"[NaN]", {"data": "[NaN]", "json": None}),
    ("application/json", b'"\\ud800"', {"json": "\ud800"}),
    ("application/json", b"[" * 100_000, {"json": None}),
    ("application/x-www-form-urlencoded", b"a=1&a=2&b=", {"data": "", "form": {"a": ["1", "2"], "b": ""}}),
    ("image/png", b"\x89\xff", {"data": "data:application/octet-stream;base64,if8=", "json": None}),
    ("", b"", {"data": "", "form": {}, "files": {}, "json": None}),
]


async def test_anything_shows_the_body(client: httpx.AsyncClient) -> None:
    """As text, as a form, as JSON where it is some, or as base64."""
    for path in ("/anything", "/post"):
        for content_type, sent, said in BODIES:
            answer = await client.post(path, content=sent, headers={"content-type": content_type})
            assert answer.status_code == 200, sent[:20]
            assert said.items() <= answer.json().items()


async def test_a_body_too_long_is_refused(client: httpx.AsyncClient) -> None:
    """413 beyond 16 MiB."""
    assert (await client.post("/anything", content=b"x" * (16 * 2**20))).status_code == 200
    assert (await client.post("/anything", content=b"x" * (16 * 2**20 + 1))).status_code == 413


async def test_status(client: httpx.AsyncClient) -> None:
    """The status asked for, by every method."""
    for code in (200, 204, 302, 304, 404, 418, 500, 503, 599):
        for method in ALL_METHODS:
            answer = await client.request(method, f"/status/{code}")
            assert answer.status_code == code
            assert answer.content == b""
            assert answer.headers.get("location") == ("/get" if code == 302 else None)


async def test_delay(client: httpx.AsyncClient) -> None:
    """At least so many seconds, and Server-Timing has it; every method."""
    for method in ("GET", "POST"):
        began = time.perf_counter()
        answer = await client.request(method, "/delay/0.05")
        assert time.perf_counter() - began >= 0.05
        assert answer.json()["method"] == method
        assert "work;dur=50.000" in answer.headers["server-timing"]


async def test_bytes(client: httpx.AsyncClient) -> None:
    """So many, the same for the same seed."""
    for n in (0, 1, 65_536, 200_001):
        paths = (f"/bytes/{n}", f"/bytes/{n}?seed=1", f"/bytes/{n}?seed=2")
        first, again, other = [(await client.get(path)).content for path in paths]
        assert len(first) == n
        assert first == again
        assert (first == other) == (n == 0)
        assert (await client.head(f"/bytes/{n}")).headers["content-length"] == str(n)


async def test_drip(client: httpx.AsyncClient) -> None:
    """The head after the delay, then byte by byte over the duration."""
    began = time.perf_counter()
    async with client.stream("GET", "/drip?numbytes=5&duration=0.2&delay=0.1&code=202") as answer:
        assert time.perf_counter() - began >= 0.1
        assert answer.status_code == 202
        assert answer.headers["content-length"] == "5"
        pieces = [(time.perf_counter(), piece) async for piece in answer.aiter_raw()]
    assert b"".join(piece for _, piece in pieces) == b"*****"
    assert pieces[-1][0] - began >= 0.1 + 0.2
    assert len(pieces) > 1


async def test_stream(client: httpx.AsyncClient) -> None:
    """Lines of JSON, chunked."""
    answer = await client.get("/stream/3?x=y")
    assert answer.headers["transfer-encoding"] == "chunked"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["id"] for line in lines] == [0, 1, 2]
    assert lines[0]["args"] == {"x": "y"}


async def test_cookies(client: httpx.AsyncClient) -> None:
    """Set one by one, followed to /cookies, which shows them."""
    answer = await client.get("/cookies/set?a=1&b=2")
    assert answer.status_code == 302
    assert answer.headers["location"] == "/cookies"
    assert len(answer.headers.get_list("set-cookie")) == 2
    assert (await client.get("/cookies")).json() == {"cookies": {"a": "1", "b": "2"}}
    assert (await client.get("/cookies/set?a b=1")).status_code == 400


OUT_OF_BOUNDS = [
    "/status/199",
    "/status/600",
    "/status/x",
    "/delay/10.1",
    "/delay/-1",
    "/delay/nan",
    "/bytes/10485761",
    "/bytes/-1",
    "/bytes/1?seed=x",
    "/stream/101",
    "/drip?duration=11",
    "/drip?numbytes=0",
    "/drip?delay=x",
]
NOT_FOUND = ["/", "/nothing", "/get/", "/-/stats", "/-/healthy", "/-/reset", "/docs", "/openapi.json"]


async def test_out_of_bounds(client: httpx.AsyncClient) -> None:
    """400 and the bound in words, not a clamped answer."""
    for path in OUT_OF_BOUNDS:
        answer = await client.get(path)
        assert answer.status_code == 400, path
        assert "nput should be" in answer.json()["detail"]


async def test_not_found(client: httpx.AsyncClient) -> None:
    """No pages of its own on the data port."""
    for path in NOT_FOUND:
        assert (await client.get(path)).status_code == 404, path
        assert (await client.post(path)).status_code == 404, path
