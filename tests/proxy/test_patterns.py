"""The list of patterns, and what is true of every one of them."""

import asyncio
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from proxy import patterns
from proxy.pattern_runtime.registry import discover
from support.raw_http import dechunked, get, raw_upstream, roundtrip, split
from support.servers import RunningProxy, environment, free_port, running_proxy
from support.threaded_upstream import Meter, threaded_upstream

PATTERNS = discover(patterns)
SEEDS = [
    *("requests_per_call", "requests_session", "requests_in_async", "httpx_sync_shared", "httpx_sync_per_thread"),
    *("async_per_request", "async_module_global", "async_startup_shutdown", "async_lifespan_state"),
    *("stream_aiter_raw", "stream_aiter_bytes", "stream_aiter_text", "stream_aiter_lines", "stream_media_type"),
    *("chunk_generator", "chunk_generator_finally", "buffered_by_content_type"),
    *("shared_cookies", "shared_headers", "forget_aclose"),
]
ALL_ANSWERED = {"received": 3, "answered": 3, "failed": 0, "aborted": 0}


async def test_every_pattern_of_the_seeds_is_there_with_a_line_and_a_verdict() -> None:
    """The list names each once, says what it is and what to think of it."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        status, headers, body = split(await roundtrip(proxy.port, get("/-/patterns")))
        assert status == 200
        assert (b"content-type", b"application/json") in headers
        listed = json.loads(body)["patterns"]
        assert {pattern["name"] for pattern in listed} == set(PATTERNS)
        assert set(SEEDS) <= set(PATTERNS)
        for pattern in listed:
            assert pattern["verdict"] in ("use it", "don't")
            assert pattern["line"].endswith((".", "all."))
            assert pattern["because"].endswith(".")
            assert "TODO" not in pattern["because"]
        assert (await proxy.pool())["requests"]["received"] == 0
        assert upstream.connections == 0


async def test_a_pattern_without_a_path_tells_of_itself() -> None:
    """The list's line and verdict, and all that its docstring says; nothing is called, nothing counted."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        listed = json.loads(split(await roundtrip(proxy.port, get("/-/patterns")))[2])["patterns"]
        for pattern in listed:
            status, _, body = split(await roundtrip(proxy.port, get(f"/-/patterns/{pattern['name']}")))
            told = json.loads(body)
            assert status == 200
            assert told.items() > pattern.items()
            assert "Under load:" in " ".join(told["about"])
            assert told["call"] == f"/-/patterns/{pattern['name']}/work"
        assert (await proxy.pool())["requests"]["received"] == 0
        assert upstream.connections == 0


def test_a_pattern_tells_where_it_comes_from_and_what_to_expect() -> None:
    """Its docstring is what people come to read, and its code fits a screen."""
    for name, pattern in PATTERNS.items():
        module = inspect.getmodule(pattern.build)
        assert module is not None
        docstring = module.__doc__ or ""
        assert "Under load:" in docstring, name
        assert any(word in docstring for word in ("document", "answer", "question", "seeds")), name
        assert len(inspect.getsource(pattern.build).splitlines()) <= 40, name


async def test_a_plain_get_is_answered_and_counted_by_every_witness() -> None:
    """Three calls, three at the upstream, three answered; path, query and the run's header go on and nothing else."""

    with threaded_upstream(Meter()) as upstream:
        async with running_proxy(upstream.url + "/base", max_connections=4) as proxy:
            for name in PATTERNS:
                connections = upstream.connections
                before = await proxy.pool()
                await three_calls(proxy, name)
                after = await proxy.pool()
                received = upstream.exchanges[-3:]
                assert (name, len(upstream.exchanges)) == (name, 3 * (list(PATTERNS).index(name) + 1))
                for exchange in received:
                    assert exchange.request_line == b"GET /base/a/b%20c?q=1&q=2 HTTP/1.1"
                    assert exchange.header("x-sandbox-run") == [f"1-{name}".encode()]
                    assert exchange.header("x-mine") == exchange.header("cookie") == []
                counts = {key: after["requests"][key] - before["requests"][key] for key in after["requests"]}
                assert (name, counts) == (name, {**ALL_ANSWERED, "in_flight": 0})
                assert {key: after["run"][key] for key in ALL_ANSWERED} == ALL_ANSWERED
                assert after["run"]["id"] == f"1-{name}"
                assert after["opened"] - before["opened"] == upstream.connections - connections
                assert after["opened"] + after["reused"] - before["opened"] - before["reused"] == 3
                assert after["waiting"] == after["connecting"] == 0
                leaked = 3 if name == "forget_aclose" else 0
                assert (name, after["active"] - before["active"]) == (name, leaked)
                assert after["wait_ms"]["count"] - before["wait_ms"]["count"] == 3


async def three_calls(proxy: RunningProxy, name: str) -> None:
    """Call a pattern three times with a run's header and others."""
    for _ in range(3):
        headers = (f"X-Sandbox-Run: 1-{name}", "X-Mine: 1", "Cookie: a=b")
        target = f"/-/patterns/{name}/a/b%20c?q=1&q=2"
        status, received, body = split(await roundtrip(proxy.port, get(target, *headers)))
        assert (name, status) == (name, 200)
        assert (name, dechunked(received, body)) == (name, b"" if name == "forget_aclose" else b"ok")


IN_THREADS = ("requests_per_call", "requests_session", "httpx_sync_shared", "httpx_sync_per_thread")


MAY_FAIL = ("httpx_sync_shared",)
"""httpcore 1.0.9's pool under threads: once, on a busy machine, one call of a hundred came back as a 500, and not again
in 20,000. The pattern is shown as it is, so what must hold is that such a call is counted for what it was.
"""


@pytest.mark.parametrize("name", [*IN_THREADS, "stream_raw_with_headers", "buffered_by_content_type"])
async def test_the_counts_stay_exact_when_many_call_at_once(name: str, say: Callable[[str], None]) -> None:
    """A hundred calls by twenty at a time, in threads or not: nothing is lost, nothing is left over."""

    with threaded_upstream(Meter()) as upstream:
        async with running_proxy(upstream.url, max_connections=5, thread_tokens=8) as proxy:
            gate = asyncio.Semaphore(20)

            async def call() -> tuple[int, bytes]:
                async with gate:
                    status, headers, _ = split(await roundtrip(proxy.port, get(f"/-/patterns/{name}/")))
                    return status, dict(headers).get(b"x-proxy-error", b"")

            answers = await asyncio.gather(*(call() for _ in range(100)))
            pool = await proxy.pool()
        codes = [code.decode() for status, code in answers if status != 200]
        if codes:
            say(f"{name}: {codes}")
            assert name in MAY_FAIL, codes
        counts = {"received": 100, "answered": 100 - len(codes), "failed": len(codes), "aborted": 0, "in_flight": 0}
        assert pool["requests"] == counts
        assert sum(pool["errors"].values()) == len(codes)
        assert (pool["active"], pool["waiting"], pool["connecting"]) == (0, 0, 0)
        assert pool["opened"] == upstream.connections
        if not codes:
            assert len(upstream.exchanges) == pool["opened"] + pool["reused"] == 100


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_an_unknown_pattern_is_404_with_the_names_there_are(method: str) -> None:
    """And is counted as failed, so that a load test on it adds up."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        status, headers, body = split(await roundtrip(proxy.port, get("/-/patterns/no_such/x", method=method)))
        assert status == 404
        assert (b"x-proxy-error", b"not_found") in headers
        if method != "HEAD":
            assert json.loads(body)["patterns"] == list(PATTERNS)
            assert re.fullmatch("[0-9a-f]{16}", json.loads(body)["error"]["request_id"])
        pool = await proxy.pool()
        assert (pool["requests"]["received"], pool["requests"]["failed"]) == (1, 1)
        assert upstream.exchanges == []


def test_a_support_module_is_no_pattern() -> None:
    """Only a file with a verdict is one."""
    assert "threads" not in PATTERNS
    assert "harness" not in PATTERNS


async def test_patterns_are_called_by_get() -> None:
    """Anything else is 405 and goes nowhere."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        answer = await roundtrip(proxy.port, get("/-/patterns/async_lifespan_state/", method="POST"))
        status, headers, _ = split(answer)
        assert status == 405
        assert (b"allow", b"GET") in headers
        assert upstream.exchanges == []


CALLERS = ("async_lifespan_state", "httpx_sync_shared", "requests_session", "requests_in_async")
FAULTS = {
    "refused": "upstream_connect_error",
    "no such name": "upstream_dns_error",
    "closed": "upstream_closed",
    "silent": "upstream_read_timeout",
    "not http": "upstream_protocol_error",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_a_pattern_raises_is_500_with_a_code_and_nothing_else(fault: str) -> None:
    """The status that FastAPI gives it, the code in the header, the counter, and no word of the exception."""

    async def script(exchange: Any) -> None:
        if fault == "silent":
            await asyncio.sleep(30)
        if fault == "not http":
            await exchange.send(b"this is not HTTP\r\n\r\n")
        exchange.writer.close()

    with threaded_upstream(script) as upstream:
        url = {"refused": f"http://127.0.0.1:{free_port()}", "no such name": "http://no-such-host.invalid"}
        patience = 0.2 if fault == "silent" else 5
        async with running_proxy(url.get(fault, upstream.url), read_timeout_seconds=patience) as proxy:
            for name in CALLERS:
                status, headers, body = split(await roundtrip(proxy.port, get(f"/-/patterns/{name}/")))
                assert (name, status) == (name, 500)
                assert (b"x-proxy-error", FAULTS[fault].encode()) in headers, name
                error = json.loads(body)["error"]
                assert (error["code"], error["status"]) == (FAULTS[fault], 500)
                assert b"127.0.0.1" not in body
                assert b"invalid" not in body
            pool = await proxy.pool()
            calls = len(CALLERS)
            assert pool["requests"] == {
                "received": calls,
                "answered": 0,
                "failed": calls,
                "aborted": 0,
                "in_flight": 0,
            }
            assert pool["errors"][FAULTS[fault]] == calls
            assert (pool["active"], pool["waiting"], pool["connecting"]) == (0, 0, 0)


@pytest.mark.slow
def test_patterns_that_nobody_calls_cost_nothing_at_the_start() -> None:
    """requests is imported by who uses it, and no pattern file before the first call."""
    program = (
        "import sys; from proxy.app import create_app; from proxy.settings import ServerSettings, Settings;"
        "create_app(Settings(), ServerSettings());"
        "loaded = [name for name in sys.modules if name.split('.')[0] in ('requests', 'urllib3')];"
        "loaded += [name for name in sys.modules if name.startswith('proxy.patterns.stream')];"
        "print(loaded)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
