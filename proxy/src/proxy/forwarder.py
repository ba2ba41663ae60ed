"""The forwarding itself: a raw ASGI endpoint inside the FastAPI app, past its router, for every path but `/-/`."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import anyio

from proxy import forwarding
from proxy.clients import Answer, Client
from proxy.counters import Cell, Counters
from proxy.errors import ProxyError
from proxy.log import ThrottledLog
from proxy.watch import PoolWatch

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

RUN_HEADER = b"x-sandbox-run"


class ClientGone(Exception):
    """The caller left before its request was whole."""


class Upstreams:
    """What forwarding needs and the lifespan opens: the shared client and the counters of this worker."""

    def __init__(self, client: Client, counters: Counters, upstream_url: str) -> None:
        url = urlsplit(upstream_url)
        self.client = client
        self.counters = counters
        self.watch = PoolWatch(counters)
        self.authority = url.netloc.encode("idna" if not url.netloc.isascii() else "ascii")
        self.base_path = url.path.encode()
        self.log = ThrottledLog("proxy")


class Forwarder:
    """ASGI middleware: the proxy's own paths go to the app, everything else to the upstream."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route on the raw path, before anything decodes it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1002, "reason": "no WebSocket here"})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            own = forwarding.is_own(scope["raw_path"])
        except ProxyError as error:
            await _answer_error(error, scope, send)
            return
        if own:
            await self._app(scope, receive, send)
        else:
            await Forwarded(scope["state"]["upstreams"], scope, receive, send).run()


class Forwarded:
    """One request on its way. It is counted once as received and once by what became of it."""

    def __init__(self, upstreams: Upstreams, scope: Scope, receive: Receive, send: Send) -> None:
        self._upstreams = upstreams
        self._scope = scope
        self._receive = receive
        self._send = send
        self._cancel = anyio.CancelScope()
        self._watcher: asyncio.Task[None] | None = None
        self._started = False

    async def run(self) -> None:
        """Forward, count, and answer for what went wrong."""
        counters = self._upstreams.counters
        cells = counters.cells
        run_id = forwarding.header(self._scope["headers"], RUN_HEADER)
        if run_id and run_id != counters.run_id:
            counters.begin_run(run_id)
        of_run = bool(run_id)
        cells[Cell.RECEIVED] += 1
        cells[Cell.RUN_RECEIVED] += of_run
        cells[Cell.IN_FLIGHT] += 1
        outcome = Cell.ABORTED
        try:
            outcome = await self._forward()
        finally:
            cells[Cell.IN_FLIGHT] -= 1
            cells[outcome] += 1
            cells[outcome - Cell.ANSWERED + Cell.RUN_ANSWERED] += of_run

    async def _forward(self) -> Cell:
        """Return what became of the request: ANSWERED, FAILED or ABORTED."""
        try:
            with self._cancel, self._upstreams.watch.exchange():
                await self._exchange()
                return Cell.ANSWERED
        except ProxyError as error:
            return await self._fail(error)
        except ClientGone:
            pass
        finally:
            if self._watcher is not None:
                self._watcher.cancel()
        self._upstreams.log.info("client gone: %s", self._scope["method"])
        return Cell.ABORTED

    async def _exchange(self) -> None:
        upstreams = self._upstreams
        outbound = forwarding.outbound(self._scope, authority=upstreams.authority, base_path=upstreams.base_path)
        body = None
        if outbound.has_body:
            body = self._request_body()
        else:
            self._watch_caller()
        answer = await upstreams.client.send(outbound, body)
        try:
            await self._pass_on(answer)
        finally:
            with anyio.CancelScope(shield=True):
                await answer.aclose()

    async def _pass_on(self, answer: Answer) -> None:
        headers = forwarding.answer_headers(answer.status, answer.headers)
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        self._started = True
        async for chunk in answer.body():
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _request_body(self) -> AsyncIterator[bytes]:
        """Yield the caller's body as it comes. Raises ClientGone if it stops before its end."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]
        self._watch_caller()

    def _watch_caller(self) -> None:
        """From here on nothing is read of the caller: notice if it leaves, and cancel the upstream request then."""
        self._watcher = asyncio.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        # a scope, not task.cancel(): httpcore's clean-up is shielded against the one and not against the other
        self._cancel.cancel()

    async def _fail(self, error: ProxyError) -> Cell:
        upstreams = self._upstreams
        upstreams.counters.count_error(error.code)
        if error.code == "pool_exhausted":
            upstreams.counters.cells[Cell.TIMEOUTS] += 1
        upstreams.log.warning("%d %s: %s", error.status, error.code, self._pool_line())
        if self._started:
            # the head is out: only a cut connection tells the caller that the body is not whole. uvicorn cuts it
            # when the app returns before the end of the answer.
            return Cell.ABORTED
        await _answer_error(error, self._scope, self._send)
        return Cell.FAILED

    def _pool_line(self) -> str:
        cells = self._upstreams.counters.cells
        opened = cells[Cell.OPENED] - cells[Cell.CLOSED]
        active = cells[Cell.ACTIVE]
        idle = max(opened + cells[Cell.CONNECTING] - active, 0)
        return f"pool total={idle + active} active={active} idle={idle} waiting={cells[Cell.WAITING]}"


async def _answer_error(error: ProxyError, scope: Scope, send: Send) -> None:
    request_id = forwarding.header(scope["headers"], b"x-request-id").decode("latin-1")[:128] or os.urandom(8).hex()
    body = error.body(request_id)
    await send({"type": "http.response.start", "status": error.status, "headers": error.headers(body)})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
