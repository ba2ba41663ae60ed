"""A scripted run of the proxy under a fake clock: prints what it shows of itself, as JSON.

    python scenario.py CLIENT

Run as a process of its own, because the clock has to be replaced before anything imports it. Time passes only where
the script says so, so the output is the same on every machine. It uses nothing of the proxy but its app and settings.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

START_NS = 1_800_000_000_000_000_000
_now_ns = 1_000_000_000  # never zero, which stands for "not yet"


def pass_ms(milliseconds: float) -> None:
    """Let time pass."""
    global _now_ns
    _now_ns += round(milliseconds * 1e6)


def replace_clock() -> None:
    """Make the clock stand, and what differs between processes equal."""
    time.perf_counter_ns = lambda: _now_ns
    time.time_ns = lambda: START_NS + _now_ns
    time.process_time_ns = lambda: 7_000_000_000
    os.getpid = lambda: 4242
    os.urandom = lambda count: bytes(range(count))


@dataclass
class Upstream:
    """A server whose answers take the time that the path names: /ms/30 or, with a report of its own, /told/30."""

    held: dict[str, asyncio.Event] = field(default_factory=dict)
    arrived: list[str] = field(default_factory=list)
    port: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until its client closes it, or until a path says /close."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode().partition("?")[0]
                if length := re.search(rb"(?i)content-length: (\d+)", head):
                    await reader.readexactly(int(length[1]))
                self.arrived.append(path)
                if path == "/close":
                    break
                if path.startswith("/held/"):
                    await self.held.setdefault(path, asyncio.Event()).wait()
                kind, _, number = path[1:].partition("/")
                timing = b""
                if kind in ("ms", "told"):
                    pass_ms(float(number))
                if kind == "told":
                    timing = b"Server-Timing: queue;dur=1.250, work;dur=%.3f, late;dur=0.050\r\n" % (float(number) / 2)
                writer.write(b"HTTP/1.1 200 OK\r\n" + timing + b"Content-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Caller:
    """Calls the application as its server would."""

    def __init__(self, app: Any, state: Mapping[str, Any]) -> None:
        self._app = app
        self._state = state

    async def __call__(
        self,
        target: str,
        method: str = "GET",
        body: bytes = b"",
        leaves: asyncio.Event | None = None,
        **headers: str,
    ) -> dict[str, Any]:
        """Return what was answered; with `leaves` the client is gone once that is set."""
        path, _, query = target.partition("?")
        raw_headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        if body:
            raw_headers.append((b"content-length", b"%d" % len(body)))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"proxy"), *raw_headers],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8000),
            "state": dict(self._state),
        }
        requests = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if requests:
                return requests.pop()
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        answer: dict[str, Any] = {"status": None, "headers": {}, "body": ""}
        for message in sent:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                pairs = [(name.decode(), value.decode()) for name, value in message["headers"]]
                answer["headers"] = {name: [v for n, v in pairs if n == name] for name, _ in pairs}
            else:
                answer["body"] += message.get("body", b"").decode()
        return answer


async def until(condition: Any) -> None:
    """Wait until something is so."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("did not become so in time")


async def scenario(client: str) -> dict[str, Any]:
    """Return everything that the proxy shows after each act."""
    from proxy.app import create_app
    from proxy.settings import ServerSettings, Settings

    upstream = Upstream()
    server = await asyncio.start_server(upstream.answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = Settings(
        upstream_url=url,
        client=client,
        max_connections=2,
        pool_timeout_seconds=0.4,
        retries=1,
        keepalive_expiry_seconds=60,
    )
    app = create_app(settings, ServerSettings())
    async with app.router.lifespan_context(app) as state:
        shown = await acts(Caller(app, state or {}), upstream)
    server.close()
    return {name: cleaned(value, url) for name, value in shown.items()}


async def acts(call: Caller, upstream: Upstream) -> dict[str, Any]:
    """Play the script."""
    shown: dict[str, Any] = {"pool at first": await pool(call), "cursor": await call("/-/ledger?since=end")}
    run: dict[str, Any] = {"x_sandbox_run": "20261128-1"}
    shown["first, a new connection"] = await call("/ms/100", x_request_id="one", **run)
    shown["kept, and the upstream reports"] = await call("/told/40", x_request_id="two", **run)
    shown["with a body"] = await call("/ms/7", "POST", b"x" * 10, x_request_id="three", **run)
    shown["of no run"] = await call("/ms/1.5?secret=1")

    held = [asyncio.create_task(call("/held/a", x_request_id="a", **run))]
    await until(lambda: "/held/a" in upstream.arrived)
    pass_ms(3)
    held.append(asyncio.create_task(call("/held/b", x_request_id="b", **run)))
    await until(lambda: "/held/b" in upstream.arrived)
    pass_ms(5)
    waits = asyncio.create_task(call("/ms/2", x_request_id="waits", **run))
    await asyncio.sleep(0.05)
    shown["pool while two hold and one waits"] = await pool(call)
    pass_ms(60)
    upstream.held["/held/a"].set()
    shown["held"] = await held[0]
    shown["waited"] = await waits

    again = asyncio.create_task(call("/held/c", x_request_id="c", **run))
    await until(lambda: "/held/c" in upstream.arrived)
    too_long = asyncio.create_task(call("/ms/2", x_request_id="too long", **run))
    await asyncio.sleep(0.05)
    pass_ms(400)
    shown["gave up waiting"] = await too_long
    leaves = asyncio.Event()
    left = asyncio.create_task(call("/ms/2", x_request_id="left", leaves=leaves, **run))
    await asyncio.sleep(0.05)
    pass_ms(11)
    leaves.set()
    shown["left while it waited"] = await left
    upstream.held["/held/b"].set()
    upstream.held["/held/c"].set()
    await held[1], await again

    shown["closed on a kept connection, and tried again"] = await call("/close", x_request_id="closed", **run)
    leaves = asyncio.Event()
    left = asyncio.create_task(call("/held/d", x_request_id="d", leaves=leaves, **run))
    await until(lambda: "/held/d" in upstream.arrived)
    pass_ms(13)
    leaves.set()
    shown["left while it was served"] = await left
    upstream.held["/held/d"].set()

    # threads hand their moments to the loop, which may be late: no time passes meanwhile
    for pattern, took in (("async_lifespan_state", 20), ("httpx_sync_shared", 0), ("forget_aclose", 30)):
        path = f"/-/patterns/{pattern}/ms/{took}"
        shown[pattern] = await call(path, x_request_id=pattern, x_sandbox_run="20261128-2")
    await asyncio.sleep(0.05)
    shown["pool"] = await pool(call)
    shown["ledger"] = await call("/-/ledger?limit=100")
    shown["metrics"] = await call("/-/metrics")
    return shown


async def pool(call: Caller) -> Any:
    """Return the pool; a moment later, because closing a connection takes the loop a turn or two."""
    await asyncio.sleep(0.02)
    return await call("/-/pool")


def cleaned(answer: Any, url: str) -> Any:
    """Return an answer without what the script does not decide: the loop's lag, ages by the real clock, the port."""
    answer = dict(answer, body=answer["body"].replace(url, "http://upstream"))
    answer["headers"] = {name: value for name, value in answer["headers"].items() if name != "date"}
    if answer["headers"].get("content-type") == ["application/json"]:
        answer["headers"].pop("content-length", None)
        answer["body"] = json.loads(answer["body"])
        if isinstance(answer["body"], dict):
            connections = answer["body"].get("connections") or []
            connections.sort(key=lambda connection: connection["requests"])  # a set has no order
            for connection in connections:
                connection["age_seconds"] = 0
    elif "proxy_event_loop_lag" in answer["body"]:
        answer["headers"].pop("content-length", None)
        answer["body"] = [line for line in answer["body"].splitlines() if "proxy_event_loop_lag" not in line]
    return answer


if __name__ == "__main__":
    replace_clock()
    print(json.dumps(asyncio.run(scenario(sys.argv[1])), indent=1))
