"""One request to a pattern: counted as a forwarded one is, while the pattern knows nothing of it."""

import asyncio

from poolwatch.attachment import end_or_leak
from poolwatch.counters import Cell
from poolwatch.monitor import CountedRequest
from poolwatch.report import line
from proxy.asgi import Message, Receive, Scope, Send, header
from proxy.forward.headers import RUN_HEADER, request_id_of
from proxy.pattern_runtime.apps import PatternApps
from proxy.pattern_runtime.errors import PatternError, pattern_error


class PatternCall:
    """A call of a pattern. It is counted once as received and once by what became of it.

    ANSWERED: the pattern's whole answer went out to a caller who was there. FAILED: the pattern raised, and its caller
    got 500. ABORTED: the caller left, or the answer was cut.
    """

    def __init__(self, apps: PatternApps, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._apps = apps
        self._name = name
        self._scope = scope
        self._receive = receive
        self._send = send
        self._caller: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()
        self._first: Message | None = None
        self._complete = False
        self._failure: PatternError | None = None
        request_id = request_id_of(header(scope["headers"], b"x-request-id"))
        self._trace = apps.watch.trace(scope["method"], scope["raw_path"], request_id)

    async def run(self) -> None:
        """Call the pattern and count."""
        trace = self._trace
        run_id = header(self._scope["headers"], RUN_HEADER)
        with CountedRequest(self._apps.watch.counters, trace, run_id, ends=False):
            trace.admitted()
            try:
                await self._call()
                trace.outcome = self._outcome()
            finally:
                end_or_leak(trace)

    async def _call(self) -> None:
        try:
            pattern = self._apps.open(self._name)
            state = dict(await pattern.state())
            await self._watch_caller()
            await pattern.app(self._inner_scope(state), self._receive_for_pattern, self._send_for_pattern)
        except Exception as error:
            # FastAPI has answered 500 for it, or could not any more: then only a cut connection tells the caller that
            # the body is not whole, and uvicorn cuts it when the app returns before the end of the answer
            # (the error itself is not kept: its traceback holds what the pattern left open)
            self._failure = self._note(error)
        finally:
            if self._caller is not None:
                self._caller.cancel()

    def _outcome(self) -> Cell:
        if not self._complete:
            return Cell.ABORTED
        return Cell.FAILED if self._failure is not None and self._trace.status == 500 else Cell.ANSWERED

    def _note(self, error: Exception) -> PatternError:
        watch, failure = self._apps.watch, pattern_error(error)
        self._trace.code = failure.code
        watch.counters.count_error(failure.code)
        if failure.code == "pool_exhausted":
            watch.cells[Cell.TIMEOUTS] += 1
        self._apps.log.warning(
            "500 %s: %s raised %s; %s", failure.code, self._name, type(error).__name__, line(watch.cells)
        )
        return failure

    def _inner_scope(self, state: dict[str, object]) -> Scope:
        """Return the scope as the pattern's app sees it: its own path at the root, its own state."""
        path = "/" + self._scope["path"].removeprefix("/-/patterns/").partition("/")[2]
        raw_path = b"/" + self._scope["raw_path"].removeprefix(b"/-/patterns/").partition(b"/")[2]
        return {**self._scope, "path": path, "raw_path": raw_path, "root_path": "", "state": state}

    async def _watch_caller(self) -> None:
        """Take what the caller has sent; if that is all, wait beside the pattern for its leaving."""
        self._first = await self._receive()
        if not self._first.get("more_body", False):
            self._caller = asyncio.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()

    async def _receive_for_pattern(self) -> Message:
        if self._first is not None:
            message, self._first = self._first, None
            return message
        if self._caller is None:
            return await self._receive()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send_for_pattern(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._trace.status = message["status"]
            timing = self._trace.answering()
            if timing is not None:
                message = {**message, "headers": [*message["headers"], (b"server-timing", timing)]}
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if last:
            self._complete = not self._gone.is_set()
        await self._send(message)
        if last:
            self._trace.body_done()
