"""One request on its way through the proxy: raw ASGI, so that nothing stands between the bytes of the two sides."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from proxy.asgi import Receive, Scope, Send, header
from proxy.clients.interface import Answer, Outbound
from proxy.counters import Cell
from proxy.errors import ProxyError
from proxy.forward import headers as rules
from proxy.forward.context import Upstreams
from proxy.forward.downstream import Caller, CallerGone
from proxy.forward.error_response import refuse
from proxy.forward.uvicorn_protocol import line_of
from proxy.pool import line
from proxy.watch import Exchange

HTTP_1_0_BYTES: Final = 1 << 20
"""The longest answer of unknown length that an HTTP/1.0 caller gets: it is read whole, so that its length is known."""

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2; methods of other documents are not known to be."""

_CUT: Final = frozenset({"upstream_closed", "upstream_reset"})


class Forwarded:
    """One request on its way. It is counted once as received and once by what became of it."""

    def __init__(self, upstreams: Upstreams, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = rules.request_id_of(scope["headers"])
        self._exchange = upstreams.watch.exchange(scope["method"], scope["raw_path"], request_id)
        self._upstreams = upstreams
        self._scope = scope
        self._send = send
        self._ending = upstreams.scope()
        self._line = line_of(scope)
        self._caller = Caller(receive, self._ending.cancel, self._line)
        self._started = False

    async def run(self) -> None:
        """Forward, count, and answer for what went wrong."""
        counters = self._upstreams.counters
        cells = counters.cells
        exchange = self._exchange
        run_id = header(self._scope["headers"], rules.RUN_HEADER)
        if run_id and run_id != counters.run_id:
            counters.begin_run(run_id)
        of_run = bool(run_id)
        cells[Cell.RECEIVED] += 1
        cells[Cell.RUN_RECEIVED] += of_run
        cells[Cell.IN_FLIGHT] += 1
        exchange.run = run_id
        try:
            with exchange:
                exchange.outcome = await self._outcome()
        finally:
            self._caller.end()
            cells[Cell.IN_FLIGHT] -= 1
            cells[exchange.outcome] += 1
            cells[exchange.outcome - Cell.ANSWERED + Cell.RUN_ANSWERED] += of_run

    async def _outcome(self) -> Cell:
        """Return what became of the request: ANSWERED, FAILED or ABORTED."""
        total = self._upstreams.total_timeout_seconds
        try:
            with self._ending:
                if total is not None:
                    self._ending.cancel_after(total)
                await self._forward()
                return Cell.ANSWERED
        except ProxyError as error:
            if not self._caller.gone:
                return await self._fail(error)
        except CallerGone:
            pass
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._ending.cancel_called or (task is not None and task.cancelling()):
                raise
            # the scope's own cancellation: a library that is not written in Python raises it again without its mark
        except Exception:
            logging.getLogger("proxy").exception("a request failed in the proxy itself")
            return await self._fail(ProxyError("internal_error"))
        if not self._caller.gone:
            return await self._fail(ProxyError("total_timeout"))
        self._upstreams.log.info("client gone: %s", self._scope["method"])
        return Cell.ABORTED

    async def _forward(self) -> None:
        upstreams = self._upstreams
        outbound = rules.outbound(
            self._scope, authority=upstreams.authority, base_path=upstreams.base_path, pseudonym=upstreams.pseudonym
        )
        if outbound.has_body:
            self._caller.expect_body(when_asked=rules.waits_for_continue(self._scope["headers"]))
        else:
            self._caller.attend()
        if self._caller.gone:
            raise CallerGone
        await upstreams.admission.enter()
        try:
            self._exchange.admitted()
            await self._answer(outbound)
        finally:
            upstreams.admission.leave()

    async def _answer(self, outbound: Outbound) -> None:
        answer = await self._ask(outbound)
        try:
            await self._pass_on(answer)
        finally:
            await self._ending.finish(answer.aclose())
            self._exchange.released()
        # the end of the answer goes last: who has it finds the connection free
        if not self._caller.whole:
            await self._caller.linger()
        self._caller.answered()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _ask(self, outbound: Outbound) -> Answer:
        """Send the request, once more if its connection turned out to be closed and nobody can tell."""
        client = self._upstreams.client
        if outbound.has_body:
            return await client.send(outbound, self._caller.body())
        again = self._upstreams.retries if may_repeat(outbound) else 0
        while True:
            try:
                return await client.send(outbound, None)
            except ProxyError as error:
                if again == 0 or not was_stale(error, self._exchange):
                    raise
                again -= 1
                self._exchange.retrying()

    async def _pass_on(self, answer: Answer) -> None:
        """Hand on everything but the end of the answer."""
        scope = self._scope
        headers = rules.answer_headers(answer.status, answer.headers)
        chunks = answer.body()
        if scope["http_version"] == "1.0" and rules.has_open_end(scope["method"], answer.status, headers):
            body = await _whole(chunks)
            headers.append((b"content-length", b"%d" % len(body)))
            chunks = _one(body)
        if not self._caller.whole or rules.wants_upgrade(scope["headers"]):
            headers.append((b"connection", b"close"))
        exchange = self._exchange
        exchange.status = answer.status
        if timing := exchange.answering(headers):
            headers.append((b"server-timing", timing))
        if self._line is not None:
            self._line.hold()  # for the first piece of the body, if it is here already
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        self._started = True
        async for chunk in chunks:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        exchange.body_done()

    async def _fail(self, error: ProxyError) -> Cell:
        upstreams = self._upstreams
        exchange = self._exchange
        pool = line(upstreams.counters.cells)
        exchange.released()
        exchange.code = error.code
        upstreams.counters.count_error(error.code)
        if error.code == "pool_exhausted":
            upstreams.counters.cells[Cell.TIMEOUTS] += 1
            error = ProxyError(error.code, f"{error.explanation}: {pool}")
        upstreams.log.warning("%d %s: %s", error.status, error.code, pool)
        if self._started:
            # the head is out: only a cut connection tells the caller that the body is not whole. uvicorn cuts it
            # when the app returns before the end of the answer.
            return Cell.ABORTED
        exchange.status = error.status
        await refuse(error, self._scope, self._send, caller=self._caller, request_id=exchange.request_id)
        return Cell.FAILED


def may_repeat(outbound: Outbound) -> bool:
    """Say whether a request could be sent twice: an idempotent method and no body, which would be gone by then."""
    return outbound.method in IDEMPOTENT and not outbound.has_body


def was_stale(error: ProxyError, exchange: Exchange) -> bool:
    """Say whether a try failed only because its kept connection was closed: cut off before a byte of an answer.

    The upstream may have closed it while the request was on its way; RFC 9110 section 9.2.2 allows to repeat it then.
    """
    return error.code in _CUT and exchange.kept and not exchange.received


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
