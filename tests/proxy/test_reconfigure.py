import asyncio
import json
from statistics import median
from typing import Any

import pytest

from proxy.reconfigure import CHANGEABLE
from proxy.settings import Settings
from service_kit.settings_change import ChangeRefused, changed
from support.raw_http import Exchange, get, raw_upstream, roundtrip, split
from support.servers import free_port, part, running_proxy


async def slowly(exchange: Exchange) -> None:
    await asyncio.sleep(0.05)
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def put(port: int, document: Any) -> tuple[int, dict[str, Any]]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = await roundtrip(port, get("/-/config", f"Content-Length: {len(body)}", method="PUT") + body)
    status, _, content = split(answer)
    return status, json.loads(content)


@pytest.mark.parametrize("queue", ["client", "gate"])
async def test_a_swap_under_load_loses_nothing_and_shortens_the_wait(queue: str) -> None:
    """From 2 connections to 20 in the middle of a load: every request is answered, later ones hardly wait."""

    async with (
        raw_upstream(slowly) as upstream,
        running_proxy(upstream.url, max_connections=2, queue=queue, admin=True) as proxy,
    ):
        before = [asyncio.create_task(roundtrip(proxy.port, get("/before"))) for _ in range(16)]
        while len(upstream.exchanges) < 3:
            await asyncio.sleep(0.005)
        changes = {"PROXY_MAX_CONNECTIONS": 20, "PROXY_MAX_KEEPALIVE_CONNECTIONS": 20}
        status, config = await put(proxy.port, changes | {"PROXY_READ_TIMEOUT_SECONDS": 7})
        assert status == 200
        assert config["settings"]["PROXY_MAX_CONNECTIONS"] == config["pool"]["max_connections"] == 20
        assert config["settings"]["PROXY_READ_TIMEOUT_SECONDS"] == 7
        assert config["settings"]["PROXY_QUEUE"] == queue
        assert 0 < config["draining"] <= 14
        after = [asyncio.create_task(roundtrip(proxy.port, get("/after"))) for _ in range(16)]
        answers = await asyncio.gather(*before, *after)
        assert {split(answer)[0] for answer in answers} == {200}
        page = json.loads(split(await roundtrip(proxy.port, get("/-/ledger")))[2])
        waited: dict[str, list[float]] = {"/before": [], "/after": []}
        for entry in page["entries"]:
            waited[entry["path"]].append(entry["phases_ms"]["pool_wait"])
        assert median(waited["/after"]) < median(waited["/before"]) / 2
        pool = await proxy.pool()
        assert pool["max"] == 20
        assert (pool["active"], pool["waiting"]) == (0, 0)
        # the old pool is closed: its two connections, and those that httpcore itself had closed by then
        assert pool["closed"] == 2 if queue == "gate" else 2 <= pool["closed"] <= 4
        assert pool["requests"]["answered"] == pool["requests"]["received"] == 32
        assert (await put(proxy.port, {"PROXY_MAX_CONNECTIONS": 20}))[1]["draining"] == 0


async def test_another_client_takes_over() -> None:
    """PROXY_CLIENT changes too, and /-/config shows the versions and what cannot be honoured of the new one."""

    async with raw_upstream() as upstream, running_proxy(upstream.url, admin=True) as proxy:
        assert split(await roundtrip(proxy.port, get("/")))[0] == 200
        status, config = await put(proxy.port, {"PROXY_CLIENT": "httpx2", "PROXY_TOTAL_TIMEOUT_SECONDS": 9})
        assert (status, config["settings"]["PROXY_CLIENT"]) == (200, "httpx2")
        assert "httpcore2" in config["versions"]
        assert config["started_with"] == {"PROXY_CLIENT": "httpx", "PROXY_TOTAL_TIMEOUT_SECONDS": None}
        assert (config["fixed_because"], set(config["changeable"]["PROXY_QUEUE"]["choices"])) == (
            None,
            {"client", "gate"},
        )
        assert isinstance(config["unsupported"], dict)
        status, config = await put(proxy.port, {"PROXY_TOTAL_TIMEOUT_SECONDS": None})
        assert config["settings"]["PROXY_TOTAL_TIMEOUT_SECONDS"] is None
        assert json.loads(split(await roundtrip(proxy.port, get("/-/config")))[2])["settings"] == config["settings"]
        assert split(await roundtrip(proxy.port, get("/")))[0] == 200


async def test_a_wrong_change_is_refused_whole() -> None:
    """One line for each mistake, and nothing is changed by the others of the same request."""

    async with raw_upstream() as upstream, running_proxy(upstream.url, admin=True) as proxy:
        wrong = {"PROXY_MAX_CONNECTIONS": "ten", "PROXY_QUEUE": "none", "PROXY_POOL_TIMEOUT_SECONDS": 2}
        status, refused = await put(proxy.port, wrong)
        assert status == 400
        assert refused["mistakes"] == [
            "PROXY_QUEUE='none': not one of these; allowed: client, gate",
            "PROXY_MAX_CONNECTIONS='ten': not a whole number; allowed: 1 to 10000",
        ]
        status, refused = await put(proxy.port, {"PROXY_MAX_KEEPALIVE_CONNECTIONS": 11})
        assert status == 400
        assert "more than PROXY_MAX_CONNECTIONS=10" in refused["mistakes"][0]
        status, refused = await put(proxy.port, {"PROXY_PORT": 1, "UVICORN_WORKERS": 2, "PROXY_MAX_CONECTIONS": 5})
        assert status == 400
        named = sorted(line.partition("=")[0] for line in refused["mistakes"])
        assert named == ["PROXY_MAX_CONECTIONS", "PROXY_PORT", "UVICORN_WORKERS"]
        assert any("did you mean PROXY_MAX_CONNECTIONS?" in line for line in refused["mistakes"])
        status, refused = await put(proxy.port, {"PROXY_MAX_CONNECTIONS": True})
        assert (status, refused["mistakes"]) == (
            400,
            ["PROXY_MAX_CONNECTIONS='true': not a whole number; allowed: 1 to 10000"],
        )
        for document in (b"{", [1], b"\xff", None):
            assert (await put(proxy.port, document))[0] == 400
        config = json.loads(split(await roundtrip(proxy.port, get("/-/config")))[2])
        assert config["settings"]["PROXY_POOL_TIMEOUT_SECONDS"] == 5


@pytest.mark.slow
async def test_changes_are_refused_where_they_are_not_allowed() -> None:
    """403 without PROXY_ADMIN; 409 with several workers, each of which would have to be asked."""

    async with raw_upstream() as upstream:
        async with running_proxy(upstream.url) as proxy:
            status, refused = await put(proxy.port, {"PROXY_MAX_CONNECTIONS": 5})
            assert status == 403
            assert "PROXY_ADMIN" in refused["mistakes"][0]
        port = free_port()
        settings = {"PROXY_PORT": port, "PROXY_UPSTREAM_URL": upstream.url, "PROXY_ADMIN": "true"}
        workers = part("proxy", f"http://127.0.0.1:{port}/-/healthy", UVICORN_WORKERS=2, **settings)
        await asyncio.to_thread(workers.__enter__)
        try:
            status, refused = await put(port, {"PROXY_MAX_CONNECTIONS": 5})
        finally:
            await asyncio.to_thread(workers.__exit__, None, None, None)
        assert status == 409
        assert "UVICORN_WORKERS='2'" in refused["mistakes"][0]


def _changed(settings: Settings, document: object) -> Settings:
    return changed(settings, json.dumps(document).encode(), CHANGEABLE)[0]


def test_what_was_unset_stays_unset() -> None:
    """The keep-alive limit follows the connections there are, unless somebody has set it."""
    small = _changed(Settings(), {"PROXY_MAX_CONNECTIONS": 3})
    assert (small.max_keepalive_connections, small.keepalive_connections) == (None, 3)
    assert _changed(small, {"PROXY_MAX_CONNECTIONS": 20}).keepalive_connections == 5
    with pytest.raises(ChangeRefused) as refused:
        _changed(Settings(), {"nonsense": 1})
    assert refused.value.status == 400


async def test_what_was_changed_is_told_by_its_number() -> None:
    """A number that rises with each change that was made, and not with one that was refused."""

    async with raw_upstream() as upstream, running_proxy(upstream.url, admin=True) as proxy:
        seen = [json.loads(split(await roundtrip(proxy.port, get("/-/config")))[2])]
        seen += [(await put(proxy.port, {"PROXY_MAX_CONNECTIONS": number}))[1] for number in (3, 10)]
        assert (await put(proxy.port, {"PROXY_MAX_CONNECTIONS": "x"}))[0] == 400
        seen.append(json.loads(split(await roundtrip(proxy.port, get("/-/config")))[2]))
    assert [config["revision"] for config in seen] == [0, 1, 2, 2]
    assert [config["changed"] for config in seen] == [False, True, False, False]


async def test_a_pattern_has_the_limits_of_a_change_before_its_first_call() -> None:
    """From then on it keeps its client, and another change is refused."""

    async with raw_upstream(slowly) as upstream, running_proxy(upstream.url, admin=True) as proxy:
        assert (await put(proxy.port, {"PROXY_MAX_CONNECTIONS": 1}))[0] == 200
        path = "/-/patterns/async_lifespan_state/work"
        answers = await asyncio.gather(*(roundtrip(proxy.port, get(path)) for _ in range(3)))
        assert [split(answer)[0] for answer in answers] == [200] * 3
        assert (await proxy.pool())["opened"] == 1
        status, refused = await put(proxy.port, {"PROXY_MAX_CONNECTIONS": 5})
        assert status == 409
        assert "async_lifespan_state" in refused["mistakes"][0]
        assert (await proxy.pool())["max"] == 1
