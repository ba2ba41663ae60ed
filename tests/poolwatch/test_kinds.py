"""Threads, aiohttp, notes, labels, the page."""

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest

import poolwatch
from poolwatch.counters import Cell
from support.raw_http import Exchange, raw_upstream


async def slowly(exchange: Exchange) -> None:
    await asyncio.sleep(0.05)
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_threads_are_counted_without_loss(library: Any) -> None:
    async with raw_upstream(slowly) as upstream:
        limits = library.Limits(max_connections=4)
        with library.Client(limits=limits, timeout=10, trust_env=False) as client:
            watch = poolwatch.observe(client)

            def calls() -> list[str]:
                with ThreadPoolExecutor(12) as threads:
                    return list(threads.map(lambda number: client.get(f"{upstream.url}/{number}").text, range(60)))

            assert await asyncio.to_thread(calls) == ["ok"] * 60
            done = watch.snapshot()
            assert [done[name] for name in ("max", "active", "waiting", "connecting", "requests")] == [4, 0, 0, 0, 60]
            assert done["wait_ms"]["count"] == done["hold_ms"]["count"] == 60
            assert done["reused"] == 60 - done["opened"]
    assert watch.snapshot()["closed"] == done["opened"]


@pytest.mark.parametrize(
    ("ends", "limits", "idle"),
    [
        (True, {}, 0),
        (False, {"keepalive_expiry": 0.2}, 1),
        (False, {"max_keepalive_connections": 0}, 0),
    ],
)
@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_a_connection_is_closed_because_it_had_ended_or_was_idle_or_is_not_kept(
    library: Any, ends: bool, limits: dict[str, Any], idle: int
) -> None:
    """Two requests with a pause between them; in threads, too."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if ends:
            exchange.writer.close()

    async with raw_upstream(answer) as upstream:
        options = {"limits": library.Limits(**limits), "trust_env": False}
        async with library.AsyncClient(**options) as client:
            watches = [poolwatch.observe(client)]
            await client.get(upstream.url)
            await asyncio.sleep(0.3)
            await client.get(upstream.url)
            closed = [watches[0].monitor.cells[Cell.CLOSED]]
        with library.Client(**options) as client:
            watches.append(poolwatch.observe(client))
            await asyncio.to_thread(client.get, upstream.url)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(client.get, upstream.url)
            closed.append(watches[1].monitor.cells[Cell.CLOSED])
    for watch, count in zip(watches, closed, strict=True):
        cells = watch.monitor.cells
        if ends:  # the second one may have ended already, too
            assert 1 <= cells[Cell.CLOSED_ENDED] <= 2
        else:
            assert count == 1 + ("max_keepalive_connections" in limits)
            assert cells[Cell.CLOSED_ENDED] == 0
        assert cells[Cell.CLOSED_IDLE] == idle


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_a_pool_timeout_carries_the_numbers(library: Any) -> None:
    async with raw_upstream(slowly) as upstream:
        limits = library.Limits(max_connections=1)
        async with library.AsyncClient(limits=limits, timeout=5, trust_env=False) as client:
            watch = poolwatch.observe(client)
            held = await client.send(client.build_request("GET", f"{upstream.url}/orders?page=2"), stream=True)
            with pytest.raises(library.PoolTimeout) as caught:
                await client.get(upstream.url, timeout=library.Timeout(5, pool=0.1))
            (note,) = caught.value.__notes__
            assert re.fullmatch(r"1 of 1 busy, 1 waiting, longest held \d\.\d s by GET /orders", note)
            assert watch.snapshot()["timeouts"] == 1
            await held.aclose()
            assert watch.snapshot()["active"] == watch.snapshot()["waiting"] == 0


async def test_a_label_names_the_holder_and_a_long_hold_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with raw_upstream(slowly) as upstream, httpx.AsyncClient(trust_env=False) as client:
        watch = poolwatch.observe(client, label=lambda request: f"call of {request.url.path}", held_seconds=0.1)
        with caplog.at_level(logging.WARNING, "poolwatch"):
            async with client.stream("GET", f"{upstream.url}/slow"):
                assert watch.snapshot()["holders"][0]["label"] == "call of /slow"
                await asyncio.sleep(0.4)
        (record,) = caplog.records
        assert "by call of /slow: pool total=1 active=1" in record.getMessage()


async def test_aiohttp_is_watched_by_its_hooks() -> None:
    async with raw_upstream(slowly) as upstream:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as session:
            watch = poolwatch.observe(session)
            with pytest.raises(ValueError, match="before its first request"):
                poolwatch.observe(session)

            async def call(number: int) -> str:
                async with session.get(f"{upstream.url}/{number}") as response:
                    return await response.text()

            asked = [asyncio.create_task(call(number)) for number in range(6)]
            while len(upstream.exchanges) < 2:
                await asyncio.sleep(0.002)
            busy = watch.snapshot()
            assert [busy[name] for name in ("max", "active", "idle", "waiting", "opened")] == [2, 2, 0, 4, 2]
            assert [holder["label"] for holder in busy["holders"]] == ["GET /0", "GET /1"]
            assert await asyncio.gather(*asked) == ["ok"] * 6
            done = watch.snapshot()
            assert [done[name] for name in ("active", "idle", "waiting", "requests", "reused")] == [0, 2, 0, 6, 4]
            assert done["wait_ms"]["count"] == done["hold_ms"]["count"] == 6
        await asyncio.sleep(0.05)
        assert watch.snapshot()["closed"] == 2


async def test_the_page_has_json_metrics_and_a_line_a_connection() -> None:
    async with raw_upstream(slowly) as upstream, httpx.AsyncClient(trust_env=False) as client:
        watch = poolwatch.observe(client)
        await client.get(upstream.url)
        transport = httpx.ASGITransport(poolwatch.page(watch))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as reader:
            assert (await reader.get("/")).json()["idle"] == 1
            (line,) = (await reader.get("/connections")).text.splitlines()
            assert line.startswith("127.0.0.1:")
            assert " idle age=" in line
            text = (await reader.get("/metrics")).text
            assert (await reader.get("/other")).status_code == 404
        port = upstream.url.rpartition(":")[2]
        server = f'server_address="127.0.0.1",server_port="{port}"'
        assert f'http_client_open_connections{{http_connection_state="idle",{server}}} 1.0\n' in text
        from prometheus_client.parser import text_string_to_metric_families

        assert {family.name for family in text_string_to_metric_families(text)} >= {"http_client_open_connections"}


async def test_a_failed_connection_leaves_nothing_behind() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        watch = poolwatch.observe(client)
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:1/")
        now = watch.snapshot()
        assert [now[name] for name in ("active", "waiting", "connecting", "opened", "timeouts")] == [0, 0, 0, 0, 0]
        assert now["holders"] == []
