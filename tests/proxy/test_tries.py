"""Every try of a request is counted, and those that sent a head are what the upstream has seen, on real sockets."""

import asyncio
from pathlib import Path
from typing import Any

import h2.errors
import pytest

from proxy.errors import ProxyError
from support.client_fixture import NAMES, chunks, direct
from support.h2_upstream import Stream, h2_upstream, make_authority, ok
from support.raw_http import Exchange, answer_ok, get, raw_upstream, roundtrip, split
from support.servers import RunningProxy, running_proxy

TELLING = ["httpx", "httpx2", "httpcore", "aiohttp"]
"""The clients that tell when a head goes out."""

GOING_AWAY = ["httpx", "httpx2"]


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority of its own."""
    return make_authority(tmp_path_factory.mktemp("ca"))


def in_run(target: str, *headers: str) -> bytes:
    return get(target, "X-Sandbox-Run: 1-run", *headers)


async def run_of(proxy: RunningProxy) -> dict[str, Any]:
    """Return the run's counts, once none of its requests is under way."""
    while True:
        run: dict[str, Any] = (await proxy.pool())["run"]
        if not run["in_flight"]:
            return run
        await asyncio.sleep(0.01)


async def closes_on_reuse(exchange: Exchange) -> None:
    if exchange.number_on_connection > 1:
        exchange.writer.close()
    else:
        await answer_ok(exchange)


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("name", NAMES)
async def test_a_retry_is_counted_and_no_client_makes_one_that_is_not(name: str, retries: int) -> None:
    """A kept connection is closed on its next request, which the upstream has read: aiohttp, too, repeats nothing."""
    async with (
        raw_upstream(closes_on_reuse) as upstream,
        running_proxy(upstream.url, client=name, retries=retries) as proxy,
    ):
        statuses = [split(await roundtrip(proxy.port, in_run("/")))[0] for _ in range(4)]
        run, pool = await run_of(proxy), await proxy.pool()
    repeats = retries if name in TELLING else 0
    assert statuses == ([200] * 4 if repeats else [200, 502, 200, 502])
    assert run["tries"] == run["received"] - run["untried"] + run["retried"] == len(upstream.exchanges)
    assert run["retried"] == pool["retried"] == (3 if repeats else 0)
    assert (run["sent"], run["responded"]) == (len(upstream.exchanges), statuses.count(200))


@pytest.mark.parametrize("name", NAMES)
async def test_what_never_had_a_connection_sent_no_head(name: str) -> None:
    """A pool time-out and a connection that is refused are tries; a request that is refused is none."""
    go = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await go.wait()
        await answer_ok(exchange)

    async with (
        raw_upstream(script) as upstream,
        running_proxy(upstream.url, client=name, max_connections=1, pool_timeout_seconds=0.1, retries=1) as proxy,
    ):
        first = asyncio.create_task(roundtrip(proxy.port, in_run("/")))
        while not upstream.exchanges:
            await asyncio.sleep(0.01)
        assert split(await roundtrip(proxy.port, in_run("/")))[0] == 503
        go.set()
        assert split(await first)[0] == 200
        assert split(await roundtrip(proxy.port, in_run("/", "Expect: something")))[0] == 417
        run = await run_of(proxy)
    counts = {key: run[key] for key in ("received", "untried", "tries", "retried", "sent", "responded")}
    assert counts == {"received": 3, "untried": 1, "tries": 2, "retried": 0, "sent": 1, "responded": 1}


async def test_a_refused_connection_sent_no_head() -> None:
    for name in NAMES:
        async with running_proxy("http://127.0.0.1:1", client=name, retries=1) as proxy:
            assert split(await roundtrip(proxy.port, in_run("/")))[0] == 502
            run = await run_of(proxy)
        assert (run["tries"], run["sent"], run["retried"]) == (1, 0, 0), name


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (h2.errors.ErrorCodes.NO_ERROR, "upstream_goaway"),
        (h2.errors.ErrorCodes.ENHANCE_YOUR_CALM, "upstream_closed"),
    ],
)
@pytest.mark.parametrize("name", GOING_AWAY)
async def test_a_goaway_ends_the_streams_it_covers(name: str, code: h2.errors.ErrorCodes, error: str, ca: Path) -> None:
    """encode/httpcore#1054: without an error it is the library that gives them up; with one it is the upstream."""

    async def script(stream: Stream) -> None:
        await stream.goaway(stream.number, code)
        await asyncio.sleep(0.1)
        await ok(stream)

    async with (
        h2_upstream(ca, script) as upstream,
        direct(upstream.url, name, http2=True, ca_file=ca / "ca.pem") as proxy,
    ):
        with pytest.raises(ProxyError) as raised:
            await proxy.send()
    assert raised.value.code == error


async def test_pyreqwest_gets_the_answers_that_a_goaway_covers(ca: Path) -> None:
    async def script(stream: Stream) -> None:
        await stream.goaway(stream.number)
        await ok(stream)

    async with (
        h2_upstream(ca, script) as upstream,
        direct(upstream.url, "pyreqwest", http2=True, ca_file=ca / "ca.pem") as proxy,
    ):
        assert [(await proxy.send())[2] for _ in range(3)] == [b"ok"] * 3
    assert upstream.connections == 3


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (h2.errors.ErrorCodes.NO_ERROR, "upstream_goaway"),
        (h2.errors.ErrorCodes.ENHANCE_YOUR_CALM, "upstream_closed"),
    ],
)
async def test_pyreqwest_gives_a_post_up_that_a_goaway_does_not_cover(
    code: h2.errors.ErrorCodes, error: str, ca: Path
) -> None:
    """It could be sent again (RFC 9113 section 6.8), as pyreqwest does with a GET; a body is not kept for that."""

    async def script(stream: Stream) -> None:
        if stream.header(":path") == [b"/behind"]:
            await stream.goaway(stream.number - 2, code)
        else:
            await ok(stream)

    async with (
        h2_upstream(ca, script) as upstream,
        direct(upstream.url, "pyreqwest", http2=True, ca_file=ca / "ca.pem") as proxy,
    ):
        await proxy.send()
        with pytest.raises(ProxyError) as raised:
            await proxy.send(b"/behind", (b"content-length", b"2"), method="POST", body=chunks(b"hi"))
    assert raised.value.code == error


@pytest.mark.parametrize("name", GOING_AWAY)
async def test_a_stream_behind_a_goaway_is_sent_again_and_counted(name: str, ca: Path) -> None:
    """It was not covered: the library sends it again by itself, on a new connection. Sent are two of two tries."""
    away: list[int] = []

    async def script(stream: Stream) -> None:
        if not away and stream.header(":path") == [b"/behind"]:
            away.append(stream.number)
            await stream.goaway(stream.number - 2)
        else:
            await ok(stream)

    async with (
        h2_upstream(ca, script) as upstream,
        running_proxy(upstream.url, client=name, http2=True, ca_file=ca / "ca.pem") as proxy,
    ):
        answers = [split(await roundtrip(proxy.port, in_run(target)))[0] for target in ("/", "/behind")]
        run = await run_of(proxy)
    assert answers == [200, 200]
    counts = {key: run[key] for key in ("received", "tries", "retried", "sent", "responded")}
    assert counts == {"received": 2, "tries": 3, "retried": 1, "sent": 3, "responded": 2}
    assert len(upstream.streams) == 3
