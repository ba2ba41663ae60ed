import asyncio
import json
import logging
from typing import Any

import pytest

from proxy.clients.lost_slots import Loss
from support.eventually import eventually
from support.raw_http import Exchange, get, raw_upstream, roundtrip, split
from support.servers import RunningProxy, free_port, part, running_proxy


class Upstream:
    """Answers at once, but for /hang, which waits until it is let go."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def script(self, exchange: Exchange) -> None:
        """Serve one request."""
        if b"hang" in exchange.request_line:
            await self.go_on.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("client", ["httpx", "httpx2", "httpcore", "aiohttp"])
async def test_looking_up_a_name_is_timed_an_address_needs_none(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    look_up = loop.getaddrinfo

    async def slow(*args: Any, **options: Any) -> Any:
        await asyncio.sleep(0.1)
        return await look_up(*args, **options)

    monkeypatch.setattr(loop, "getaddrinfo", slow)
    async with raw_upstream(Upstream().script) as upstream:
        for url, lookups in ((upstream.url, 0), (upstream.url.replace("127.0.0.1", "localhost"), 1)):
            async with running_proxy(url, client=client) as proxy:
                await roundtrip(proxy.port, get("/"))
                pool = await proxy.pool()
            assert pool["lookups_ms"]["count"] == lookups
            assert (pool["lookups_ms"]["sum"] >= 100) == (lookups == 1)
            assert pool["phases_ms"]["connect"]["sum"] >= pool["lookups_ms"]["sum"]


@pytest.mark.parametrize("client", ["httpx", "httpx2", "aiohttp"])
async def test_the_pool_names_its_holders_and_its_connections(client: str) -> None:
    """The longest held first, by request id and path; each connection with state, age and requests served."""

    hanging = Upstream()
    settings: dict[str, Any] = {"max_connections": 2, "client": client}
    async with raw_upstream(hanging.script) as upstream, running_proxy(upstream.url, **settings) as proxy:
        for _ in range(3):
            await roundtrip(proxy.port, get("/"))
        asked = []
        for number in range(3):
            request = get(f"/hang/{number}?q=secret", f"X-Request-Id: id-{number}")
            asked.append(asyncio.create_task(roundtrip(proxy.port, request)))
            await asyncio.sleep(0.05)
        pool = await proxy.pool()
        holders = [(holder["request_id"], holder["path"], holder["method"]) for holder in pool["holders"]]
        assert holders == [("id-0", "/hang/0", "GET"), ("id-1", "/hang/1", "GET")]
        assert pool["holders"][0]["held_seconds"] > pool["holders"][1]["held_seconds"] >= 0.05
        assert pool["holders"][0]["worker"] == pool["process"]["workers"][0]["pid"]
        assert (pool["active"], pool["waiting"], pool["abandoned"]) == (2, 1, 0)
        if pool["connections"] is not None:
            states = sorted((each["state"], each["requests"]) for each in pool["connections"])
            assert states == [("active", 1), ("active", 4)]
            assert all(each["age_seconds"] > 0 for each in pool["connections"])
        hanging.go_on.set()
        assert {split(answer)[0] for answer in await asyncio.gather(*asked)} == {200}
        assert (await proxy.pool())["holders"] == []


async def test_a_path_of_its_own_that_is_none_says_what_there_is() -> None:
    """404 with the code; a wrong method stays 405."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        status, headers, body = split(await roundtrip(proxy.port, get("/-/nosuch")))
        assert (status, dict(headers)[b"x-proxy-error"]) == (404, b"not_found")
        assert "/-/pool, /-/ledger" in json.loads(body)["error"]["detail"]
        assert split(await roundtrip(proxy.port, get("/-/pool", method="DELETE")))[0] == 405
        assert upstream.connections == 0


@pytest.mark.slow
async def test_a_slot_held_too_long_is_logged_once_with_its_holder(caplog: pytest.LogCaptureFixture) -> None:
    """Method, path, request id, age and the pool; once, however long it lasts, and nothing of those that are quick."""

    with caplog.at_level(logging.WARNING, "proxy"):
        hanging = Upstream()
        settings: dict[str, Any] = {"max_connections": 2, "leak_threshold_seconds": 0.2}
        async with raw_upstream(hanging.script) as upstream, running_proxy(upstream.url, **settings) as proxy:
            asked = asyncio.create_task(roundtrip(proxy.port, get("/hang?q=secret", "X-Request-Id: me")))
            for _ in range(16):
                await roundtrip(proxy.port, get("/quick"))
                await asyncio.sleep(0.1)
            hanging.go_on.set()
            await asked
    (line,) = [record.getMessage() for record in caplog.records if "has been held" in record.getMessage()]
    assert "by GET /hang, request id me: pool total=2 active=1 idle=1 waiting=0" in line
    assert "secret" not in line


async def test_a_pattern_that_forgets_to_close_is_seen_as_a_holder() -> None:
    """Its request is over and answered, and its slot is still held: the pool says by whom."""

    async with raw_upstream() as upstream, running_proxy(upstream.url, max_connections=2) as proxy:
        await roundtrip(proxy.port, get("/-/patterns/forget_aclose/work", "X-Request-Id: it-was-me"))
        pool = await proxy.pool()
    assert pool["requests"]["in_flight"] == 0
    assert pool["active"] == 1
    (holder,) = pool["holders"]
    assert (holder["request_id"], holder["path"]) == ("it-was-me", "/-/patterns/forget_aclose/work")


@pytest.mark.slow
async def test_any_worker_names_the_holders_of_all() -> None:
    """Two workers: whichever answers, the slots that the other one holds are in the list, with its pid."""

    port = free_port()
    hanging = Upstream()
    async with raw_upstream(hanging.script) as upstream:
        settings: dict[str, Any] = {"PROXY_PORT": port, "PROXY_UPSTREAM_URL": upstream.url, "UVICORN_WORKERS": 2}
        running = part("proxy", f"http://127.0.0.1:{port}/-/healthy", **settings)
        await asyncio.to_thread(running.__enter__)
        try:
            proxy = RunningProxy(port)
            asked = [asyncio.create_task(roundtrip(port, get(f"/hang/{number}"))) for number in range(8)]

            async def all_are_told() -> bool:
                return len((await proxy.pool())["holders"]) == 8

            await eventually(all_are_told)
            await asyncio.sleep(1.0)  # the other worker's list is half a second old at the most
            for _ in range(6):
                pool = await proxy.pool()
                assert {holder["path"] for holder in pool["holders"]} == {f"/hang/{number}" for number in range(8)}
                pids = {worker["pid"] for worker in pool["process"]["workers"]}
                assert {holder["worker"] for holder in pool["holders"]} <= pids
            hanging.go_on.set()
            await asyncio.gather(*asked)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


async def test_a_wedged_pool_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """/-/ready says 503 and why, though the upstream takes connections; with slots left it says how many are lost."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        assert split(await roundtrip(proxy.port, get("/-/ready")))[0] == 200
        answers = []
        for lost in (4, 10):
            loss = Loss(lost, 10, f"{lost} of 10 are lost")
            monkeypatch.setattr("proxy.clients.httpcore_pool.PoolClient.loss", lambda _, loss=loss: loss)
            status, _, body = split(await roundtrip(proxy.port, get("/-/ready")))
            answers.append((status, json.loads(body)))
    assert answers == [
        (200, {"status": "ready", "leaked": 4}),
        (503, {"status": "not ready", "because": "10 of 10 are lost", "leaked": 10}),
    ]


async def test_what_the_client_cannot_honour_is_told_where_the_settings_are() -> None:
    """/-/config: a sentence for each such variable."""

    settings: dict[str, Any] = {"tcp_keepalive_seconds": 5, "max_connection_age_seconds": 5, "http2": True}
    async with raw_upstream() as upstream, running_proxy(upstream.url, client="pyreqwest", **settings) as proxy:
        config = json.loads(split(await roundtrip(proxy.port, get("/-/config")))[2])
    assert config["unsupported"] != {}
    assert set(config["unsupported"]) <= set(config["settings"])
