import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from poolwatch import observe
from support.raw_http import Exchange, get, raw_upstream, roundtrip, split
from support.servers import environment, free_port


async def slowly(exchange: Exchange) -> None:
    await asyncio.sleep(0.03)
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def of(library: Any, **limits: int) -> Any:
    return library.AsyncClient(limits=library.Limits(**limits), timeout=5, trust_env=False)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_two_lines_tell_what_the_pool_does(library: Any) -> None:
    """Waits, reuse, holders while it runs, time-outs: of a client that knows nothing of this."""

    async def scenario() -> None:
        async with raw_upstream(slowly) as upstream, of(library, max_connections=2) as client:
            watch = observe(client)
            assert watch.snapshot()["wait_ms"] == {"count": 0, "mean": None, "p50": None, "p99": None}
            asked = [asyncio.create_task(client.get(f"{upstream.url}/a?secret=1")) for _ in range(6)]
            while len(upstream.exchanges) < 2:
                await asyncio.sleep(0.002)
            busy = watch.snapshot()
            assert [busy[name] for name in ("max", "active", "idle", "waiting", "opened")] == [2, 2, 0, 4, 2]
            assert [holder["path"] for holder in busy["holders"]] == ["/a", "/a"]
            assert busy["holders"][0]["held_seconds"] >= busy["holders"][1]["held_seconds"] > 0
            assert watch.line() == "pool total=2 active=2 idle=0 waiting=4"
            assert [answer.text for answer in await asyncio.gather(*asked)] == ["ok"] * 6
            done = watch.snapshot()
            assert [done[name] for name in ("active", "idle", "waiting", "opened", "reused")] == [0, 2, 0, 2, 4]
            assert done["holders"] == []
            assert done["wait_ms"]["count"] == done["hold_ms"]["count"] == done["requests"] == 6
            # the last two waited for two turns of the first
            assert done["wait_ms"]["p99"] > done["wait_ms"]["mean"] > done["hold_ms"]["mean"] / 2
            first = await client.send(client.build_request("GET", upstream.url), stream=True)
            second = await client.send(client.build_request("GET", upstream.url), stream=True)
            with pytest.raises(library.PoolTimeout):
                await client.get(upstream.url, timeout=library.Timeout(5, pool=0.1))
            await first.aclose()
            await second.aclose()
        ended = watch.snapshot()
        assert [ended[name] for name in ("total", "active", "waiting", "timeouts")] == [0, 0, 0, 1]
        assert ended["closed"] == ended["opened"]

    asyncio.run(scenario())


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_it_says_when_it_cannot_observe(library: Any) -> None:
    """A client in use, one that is observed already, one without a pool."""

    async def scenario() -> None:
        async with raw_upstream() as upstream, of(library) as client, of(library) as fresh:
            await client.get(upstream.url)
            observe(fresh)
            for wrong in (client, fresh):
                with pytest.raises(ValueError, match="before its first request"):
                    observe(wrong)
            transport = library.MockTransport(lambda _: library.Response(200))
            async with library.AsyncClient(transport=transport) as without:
                with pytest.raises(ValueError, match="no transport with a pool"):
                    observe(without)

    asyncio.run(scenario())


@pytest.mark.slow
def test_the_example_app_shows_its_leak() -> None:
    """Somebody's app under a real uvicorn: its /pool names the path of the answer that nobody closed."""

    async def scenario() -> None:
        port = free_port()
        async with raw_upstream(slowly) as upstream:
            command = [sys.executable, "-m", "uvicorn", "example_app:app", "--port", str(port), "--log-level", "error"]
            variables = environment(EXAMPLE_UPSTREAM=upstream.url)
            process = subprocess.Popen([*command, "--app-dir", str(Path(__file__).parent)], env=variables)
            try:

                async def ask(path: str) -> Any:
                    return json.loads(split(await roundtrip(port, get(path)))[2])

                for _ in range(400):
                    try:
                        pool = await ask("/pool")
                        break
                    except OSError:
                        await asyncio.sleep(0.05)
                assert pool["total"] == 0
                assert await ask("/leaky") == 200
                assert await asyncio.gather(*(ask("/get") for _ in range(4))) == ["ok"] * 4
                pool = await ask("/pool")
            finally:
                process.terminate()
                await asyncio.to_thread(process.wait, 10)
        assert [pool[name] for name in ("max", "active", "idle", "requests", "reused")] == [2, 1, 1, 5, 3]
        assert [(holder["method"], holder["path"]) for holder in pool["holders"]] == [("GET", "/leaked")]
        assert pool["wait_ms"]["p99"] >= pool["hold_ms"]["mean"]  # one connection for four

    asyncio.run(scenario())
