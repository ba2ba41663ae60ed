"""Handles one forwarded request, on raw ASGI: no middleware between the bytes of the two sides."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from typing import Final

from fastapi import FastAPI

from poolwatch.counters import Cell
from poolwatch.monitor import CountedRequest
from poolwatch.report import line
from proxy.asgi import Receive, Scope, Send, header
from proxy.clients.exhaustion import exhausted
from proxy.clients.interface import Answer, Client, Outbound
from proxy.errors import ProxyError
from proxy.forward import headers as rules
from proxy.forward.context import ForwardContext
from proxy.forward.downstream import ClientDisconnected, Downstream
from proxy.forward.downstream_connection import STATE_KEY
from proxy.forward.error_response import send_error
from proxy.forward.retry import may_repeat, was_stale
from proxy.http_date import dated, http_date

HTTP_1_0_BYTES: Final = 1 << 20
"""The longest answer of unknown length that an HTTP/1.0 caller gets: it is read whole, so that its length is known."""

_MAY_BE_THE_CALLERS: Final = frozenset({"upstream_read_timeout", "total_timeout"})


class ForwardingApp(FastAPI):
    """FastAPI for the proxy's own paths; everything else goes to the upstream without passing its middleware."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route on the raw path, before anything decodes it."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        context: ForwardContext = scope["state"]["forwarding"]
        try:
            own = rules.is_own(scope["raw_path"])
            if own:  # refused as if it were to be forwarded
                rules.outbound(scope, rules.fields_of(scope["headers"]), context.destination)
        except ProxyError as error:
            await send_error(error, scope, send)
            return
        if own:
            await super().__call__(scope, receive, dated(send))
        else:
            await ForwardedRequest(context, scope, receive, send).run()


class ForwardedRequest:
    """One request. It is counted once as received and once by its outcome: ANSWERED, FAILED or ABORTED."""

    def __init__(self, context: ForwardContext, scope: Scope, receive: Receive, send: Send) -> None:
        self._fields = fields = rules.fields_of(scope["headers"])
        request_id = rules.request_id_of(fields[b"x-request-id"][0]) if b"x-request-id" in fields else ""
        self._trace = context.watch.trace(scope["method"], scope["raw_path"], request_id)
        self._context = context
        self._scope = scope
        self._send = send
        self._in_use = in_use = context.client.in_use
        self._cancel_scope = in_use.client.cancel_scope(context.loop)
        self._connection = scope["state"].get(STATE_KEY)
        self._downstream = Downstream(receive, self._cancel_scope.cancel, self._connection)
        self._started = False
        self._answer: Answer | None = None

    async def run(self) -> None:
        """Forward, count, and answer for what went wrong."""
        in_use = self._in_use
        run_id = self._fields.get(rules.RUN_HEADER, (b"",))[0]
        in_use.requests += 1
        try:
            with CountedRequest(self._context.counters, self._trace, run_id):
                outcome = self._trace.outcome = await self._outcome()
            if outcome is Cell.ABORTED and self._started and self._connection is not None:
                self._connection.cut()
        finally:
            self._downstream.end()
            in_use.requests -= 1
            if in_use.drained is not None and not in_use.requests:
                in_use.drained.set()

    async def _outcome(self) -> Cell:
        total = self._context.total_timeout_seconds
        due = math.inf if total is None else time.monotonic() + total
        try:
            with self._cancel_scope:
                if total is not None:
                    self._cancel_scope.cancel_after(total)
                await self._forward()
                return Cell.ANSWERED
        except ProxyError as error:
            if not self._is_over:
                # of two time-outs that a late event loop finds together, the library's may come first
                late = error.code == "upstream_read_timeout" and time.monotonic() >= due
                return await self._fail(self._by_its_cause(ProxyError("total_timeout") if late else error))
        except ClientDisconnected:
            pass
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._cancel_scope.cancel_called or (task is not None and task.cancelling()):
                raise
            # the scope's own cancellation: a library that is not written in Python raises it again without its mark
        except Exception as error:
            lacking = exhausted(error)
            if lacking is None:
                logging.getLogger("proxy").exception("a request failed in the proxy itself")
            return await self._fail(ProxyError(lacking or "internal_error"))
        downstream = self._downstream
        if downstream.timed_out and not downstream.gone:
            return await self._fail(ProxyError("caller_timeout"))
        if not downstream.gone:
            return await self._fail(self._by_its_cause(ProxyError("total_timeout")))
        if downstream.timed_out:
            self._trace.code = "caller_timeout"
            self._context.counters.count_error("caller_timeout")
        self._context.log.info("client gone: %s", self._scope["method"])
        return Cell.ABORTED

    @property
    def _is_over(self) -> bool:
        """Whether the caller has ended it, so that what a client raises only follows from that."""
        return self._downstream.gone or self._downstream.timed_out

    def _by_its_cause(self, error: ProxyError) -> ProxyError:
        """Return the caller's time-out for one that ran while its body was waited for.

        pyreqwest's read time-out does, and the total one.
        """
        if self._downstream.awaits_body and error.code in _MAY_BE_THE_CALLERS:
            return ProxyError("caller_timeout", "the request's body was not there in time")
        return error

    async def _forward(self) -> None:
        context, downstream = self._context, self._downstream
        outbound = rules.outbound(self._scope, self._fields, context.destination)
        downstream.begin(has_body=outbound.has_body, body_when_asked=any(self._fields.get(b"expect", ())))
        if outbound.has_body and context.request_buffer_bytes:
            length = header(outbound.headers, b"content-length")
            await downstream.read_ahead(context.request_buffer_bytes, int(length) if length else None)
            self._trace.body_read()
        admission = context.admission
        if admission is not None:
            self._trace.queued()
            await admission.enter()
        try:
            self._trace.admitted()
            answer = self._answer = await self._ask(self._in_use.client, outbound)
            try:
                await self._pass_on(answer)
            finally:
                await self._cancel_scope.finish(answer.aclose())
            # the end of the answer goes last: whoever has it finds the connection free
            if not downstream.whole:
                await downstream.linger()
            downstream.note_answered()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if admission is not None:
                admission.leave()

    async def _ask(self, client: Client, outbound: Outbound) -> Answer:
        """Send the request, once more if its connection turned out to be closed and a repetition does no harm."""
        again = self._context.retries
        while True:
            try:
                return await client.send(outbound, self._downstream.body() if outbound.has_body else None)
            except ProxyError as error:
                if again == 0 or not may_repeat(outbound) or not was_stale(error, self._trace):
                    raise
                again -= 1
                self._trace.retrying()

    async def _pass_on(self, answer: Answer) -> None:
        """Send everything but the end of the answer."""
        scope = self._scope
        headers = rules.answer_headers(answer.status, answer.headers, http_date(int(time.time())))
        chunks = answer.body()
        if scope["http_version"] == "1.0" and rules.has_open_end(scope["method"], answer.status, headers):
            body = await _whole(chunks)
            headers.append((b"content-length", b"%d" % len(body)))
            chunks = _one(body)
        if not self._downstream.whole:
            headers.append((b"connection", b"close"))
        trace = self._trace
        trace.status = answer.status
        if timing := trace.answering(headers):
            headers.append((b"server-timing", timing))
        if self._connection is not None and self._connection.hold_next_write is not None:
            self._connection.hold_next_write()  # for the first piece of the body, if it is here already
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        self._started = True
        async for chunk in chunks:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        trace.body_done()

    async def _fail(self, error: ProxyError) -> Cell:
        context, trace = self._context, self._trace
        pool = line(context.counters.cells)
        if self._answer is None:  # else closing that has given the connection back
            trace.released()
        trace.code = error.code
        context.counters.count_error(error.code)
        if error.code == "pool_exhausted":
            context.counters.cells[Cell.TIMEOUTS] += 1
            error = ProxyError(error.code, f"{error.explanation}: {pool}")
        context.log.warning("%d %s: %s", error.status, error.code, pool)
        if self._started:
            # the head is out: only a cut connection tells the caller that the body is not whole
            return Cell.ABORTED
        trace.status = error.status
        await send_error(error, self._scope, self._send, downstream=self._downstream, request_id=trace.request_id)
        return Cell.FAILED


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    """Return a body that is at most HTTP_1_0_BYTES long. Raises ProxyError (505)."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > HTTP_1_0_BYTES:
            raise ProxyError("http_version_not_supported")
    return bytes(body)


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body
