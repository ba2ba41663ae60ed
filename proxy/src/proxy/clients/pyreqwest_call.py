"""One call through pyreqwest, its answer and its errors. Cancelling the task that waits does not stop the call.

The library's exception classes alone are often wrong; the texts of their causes tell them apart. The texts are hyper's
and the kernel's, seen with pyreqwest 0.15.1: the lock pins it and the tests hold them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from pyreqwest.exceptions import PoolTimeoutError, PyreqwestError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response, ResponseBodyReader

from poolwatch.trace import current
from proxy.errors import ProxyError

from .exhaustion import exhausted_by_text, may_open
from .request_body import Upload

_UNSENT: Final = {
    "pool_exhausted",
    "upstream_connect_error",
    "upstream_connect_timeout",
    "upstream_dns_error",
    "proxy_descriptors",
    "proxy_ports",
    "proxy_memory",
}
"""Codes of a call that never had a connection."""


_ENDS: Final = (
    "connection closed before message completed",
    "end of file before message length reached",
    "unexpected EOF during chunk",
    "without sending TLS close_notify",
)
"""What a connection that ended too early is called."""

_HTTP2: Final = (
    ("connection error received: not a result of an error", "upstream_goaway"),
    ("connection error received: ", "upstream_closed"),
    ("stream error received: ", "upstream_reset"),
    ("stream closed because of a broken pipe", "upstream_closed"),
)
"""What h2 reports of frames: a GOAWAY without an error, or with one, and a RST_STREAM; and of a closed connection.

A GOAWAY is an error only of a stream that it does not cover, and that was not sent again: one with a body, or one that
met several (RFC 9113 section 6.8).
"""


class PyreqwestCall:
    """One call in a task of its own, from its sending to its end, also when nothing waits for it any more.

    `done` is called once, when the library has released it; `abandon` when the waiting task was cancelled before that.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        request: StreamRequest,
        done: Callable[[], None],
        upload: Upload | None,
        abandon: Callable[["PyreqwestCall"], None],
    ) -> None:
        self._abandon = abandon
        self._request = request
        self._done = done
        self._upload = upload
        self._entered = self._ended = False
        self._trace = current.get()
        self._head: asyncio.Future[Response] = loop.create_future()
        self._task = loop.create_task(self._enter())

    async def head(self) -> Response:
        """Wait for the answer's head. Cancelling this leaves the call behind, abandoned."""
        try:
            return await self._head
        except asyncio.CancelledError:
            if self._upload is not None:
                self._upload.give_up()
            self._note_sent()
            self._abandon(self)
            raise
        except PyreqwestError as error:
            self._let_go()
            failure = proxy_error(error)
            if failure.code not in _UNSENT:
                self._note_sent()
            if self._upload is not None and self._upload.failure is not None:
                raise self._upload.failure from None
            raise failure from error
        except BaseException:
            self._let_go()
            raise

    async def end(self) -> None:
        """Wait for the head if it is not there, and let go. Safe to call twice."""
        try:
            await self._task
            if self._trace is not None:
                self._trace.released()  # before the next request has the slot
            if self._entered and not self._ended:
                await self._request.__aexit__(None, None, None)
        except Exception:
            pass  # it has ended, and nothing waits for its outcome
        finally:
            self._let_go()

    async def _enter(self) -> None:
        # what it ends with goes through a future of its own, which may be cancelled: asyncio.shield takes longer
        head = self._head
        try:
            response = await self._request.__aenter__()
        except asyncio.CancelledError:
            head.cancel()
            raise
        except Exception as error:
            if not head.done():
                head.set_exception(error)
            return
        self._entered = True
        if not head.done():
            head.set_result(response)

    def _note_sent(self) -> None:
        """Note that the head may have gone out: the library does not tell."""
        if self._trace is not None:
            self._trace.head_sent()

    def _let_go(self) -> None:
        if not self._ended:
            self._ended = True
            self._done()


class PyreqwestAnswer:
    """An answer whose body has not been read yet. `length`: what it must have, where the library does not look."""

    def __init__(
        self, call: PyreqwestCall, response: Response, headers: list[tuple[bytes, bytes]], length: int | None = None
    ) -> None:
        self._call = call
        self._reader = response.body_reader
        self._length = length
        self.status = response.status
        self.headers = headers

    def body(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come, nothing decoded. Raises ProxyError if they stop too early."""
        return _Chunks(self._reader) if self._length is None else _of_length(self._reader, self._length)

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        await self._call.end()


class _Chunks:
    """An iterator by hand: the event loop keeps a list of asynchronous generators, which costs more than a chunk."""

    __slots__ = ("_read",)

    def __init__(self, reader: ResponseBodyReader) -> None:
        self._read = reader.read_chunk

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._read()
        except PyreqwestError as error:
            raise proxy_error(error) from error
        if chunk is None:
            raise StopAsyncIteration
        return bytes(chunk)


async def _of_length(reader: ResponseBodyReader, length: int) -> AsyncIterator[bytes]:
    """Yield a body. hyper takes a RST_STREAM, or a GOAWAY, without an error for its end, whatever is missing."""
    async for chunk in _Chunks(reader):
        length -= len(chunk)
        yield chunk
    if length > 0:
        raise ProxyError("upstream_reset")


def proxy_error(error: PyreqwestError) -> ProxyError:
    """Map what pyreqwest raised to a code."""
    if isinstance(error, PoolTimeoutError):
        return ProxyError("pool_exhausted")
    causes = _causes(error)
    connecting = "client error (Connect)" in causes
    if isinstance(error, TimeoutError):
        return ProxyError("upstream_connect_timeout" if connecting else "upstream_read_timeout")
    text = " ".join(causes)
    for of_http2, code in _HTTP2:
        if of_http2 in text:
            return ProxyError(code)
    lacking = exhausted_by_text(text)
    if lacking is not None:
        return ProxyError(lacking)
    if "dns error" in causes and not may_open():  # the resolver blames the name
        return ProxyError("proxy_descriptors")
    if connecting:
        return ProxyError("upstream_dns_error" if "dns error" in causes else "upstream_connect_error")
    if "os error 104" in text or "os error 32" in text:
        return ProxyError("upstream_reset")
    return ProxyError("upstream_closed" if any(end in text for end in _ENDS) else "upstream_protocol_error")


def _causes(error: PyreqwestError) -> list[str]:
    details = getattr(error, "details", None) or {}
    return [cause["message"] for cause in details.get("causes") or []]
