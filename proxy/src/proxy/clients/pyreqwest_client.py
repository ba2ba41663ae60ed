"""pyreqwest: reqwest and hyper, in Rust. The fastest by far, and the one that reports least of what it does.

Cancelling a call does not stop a request whose answer has not begun: the library sends it and waits all the same, up to
the read time-out. So each call runs in a task of its own, and `send_until` reports when the library has released it.
Until then the call counts as abandoned.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pyreqwest
from pyreqwest.http import Url
from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from poolwatch.monitor import Monitor
from poolwatch.trace import current
from proxy.asgi import Headers, header
from proxy.clients.cancellation import Scope, TaskScope
from proxy.clients.interface import Outbound
from proxy.settings import Settings
from proxy.tuning import make_pyreqwest_threads_batch_work

from .pyreqwest_call import PyreqwestAnswer, PyreqwestCall
from .pyreqwest_settings import build
from .request_body import watched_upload
from .shadow_semaphore import ShadowSemaphore
from .transport import NEEDS_HTTPS, header_text, origin, path_text, unsendable

NAME: Final = "pyreqwest"
_NAMED_WITHIN_SECONDS: Final = 0.2
"""A thread names itself, when it has begun to run."""


class PyreqwestClient:
    """The shared client of one worker. `limited` is false behind a gate: the library then needs no limit of its own.

    `abandoned` counts the calls that were cancelled and that the library has not released yet.
    """

    def __init__(self, settings: Settings, _watch: Monitor, *, limited: bool = True) -> None:
        self._settings = settings
        self.abandoned = 0
        self._origin = origin(settings)
        self._http2 = settings.http2 and self._origin.secure
        self._client = build(settings, limited=limited)
        self._permits = ShadowSemaphore(settings.max_connections) if limited else None
        self._background: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.get_running_loop()
        if settings.tuned and not make_pyreqwest_threads_batch_work():
            self._loop.call_later(_NAMED_WITHIN_SECONDS, make_pyreqwest_threads_batch_work)
        self._log = logging.getLogger("proxy")
        self._unreadable_logged = False

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> PyreqwestAnswer:
        """Send a request and return when the answer's head is there. Raises ProxyError."""
        return await self.send_until(outbound, body, _nothing)

    async def send_until(
        self, outbound: Outbound, body: AsyncIterator[bytes] | None, done: Callable[[], None]
    ) -> PyreqwestAnswer:
        """Like `send`; `done` is called once, when the library holds nothing for this call any more."""
        try:
            builder = self._builder(outbound)
        except BaseException:
            done()
            raise
        trace = current.get()
        if self._permits is not None:
            done = self._permits.ask(trace)
        if body is None:
            call = PyreqwestCall(self._loop, builder.build_streamed(), done, None, self._abandon)
            return await self._answer(call, outbound.method)
        async with watched_upload(body, outbound, self._settings.write_timeout_seconds) as upload:
            request = builder.body_stream(upload).build_streamed()
            return await self._answer(PyreqwestCall(self._loop, request, done, upload, self._abandon), outbound.method)

    async def _answer(self, call: PyreqwestCall, method: str) -> PyreqwestAnswer:
        response = await call.head()
        trace = current.get()
        if trace is not None:
            trace.head_received()
        headers = self._headers(response)
        length = None
        if self._http2 and method != "HEAD" and response.status not in (204, 304):
            declared = header(headers, b"content-length")
            length = int(declared) if declared.isdigit() else None
        return PyreqwestAnswer(call, response, headers, length)

    def _builder(self, outbound: Outbound) -> RequestBuilder:
        text = path_text(NAME, outbound.target)
        url = Url(self._origin.url + text)
        query = url.query_string
        if (url.path if query is None else f"{url.path}?{query}") != text:
            raise unsendable(NAME, "this request target as it is")
        headers = self._as_text(self._to_send(outbound))
        return self._client.request(outbound.method, url).headers(headers).streamed_read_buffer_limit(0)

    def _to_send(self, outbound: Outbound) -> Headers:
        # the coding stays in HTTP/1.1: hyper takes a GET of unknown length without it for one that has no body
        chunked = outbound.has_body and header(outbound.headers, b"transfer-encoding")
        left_out = {b"content-length"} if chunked else set()
        if self._http2:
            left_out |= {b"host", b"transfer-encoding"}  # replaced by the authority and by frames
        return [each for each in outbound.headers if each[0] not in left_out] if left_out else outbound.headers

    def _as_text(self, headers: Headers) -> list[tuple[str, str]]:
        try:
            return [(name.decode("ascii"), value.decode()) for name, value in headers]
        except UnicodeDecodeError:
            return [header_text(NAME, *each) for each in headers]  # names the one that cannot be sent

    def _headers(self, response: Response) -> list[tuple[bytes, bytes]]:
        """Return what can be read. One value that is not ASCII makes the library refuse the whole list."""
        try:
            return [(name.encode(), value.encode()) for name, value in response.headers.items()]
        except ValueError:
            pass
        headers = []
        for name in dict.fromkeys(response.headers.keys()):
            try:
                headers += [(name.encode(), value.encode()) for value in response.headers.getall(name)]
            except ValueError:
                if not self._unreadable_logged:
                    self._unreadable_logged = True
                    self._log.warning("pyreqwest cannot read a %s header that is not ASCII: it is left out", name)
        return headers

    def cancel_scope(self, loop: asyncio.AbstractEventLoop) -> Scope:
        """Return asyncio's own: this library bears it."""
        return TaskScope(loop)

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return {"pyreqwest": pyreqwest.__version__}

    def unsupported(self) -> dict[str, str]:
        """Return a sentence for each variable that is set and cannot be honoured."""
        settings = self._settings
        sentences = {
            "PROXY_READ_TIMEOUT_SECONDS": "pyreqwest counts it from the beginning of a request to the answer's head: "
            "connecting and the upload have to fit into it.",
        }
        if self._http2:
            sentences["PROXY_MAX_CONNECTIONS"] = (
                "pyreqwest counts requests, and does not tell connections: over HTTP/2 many share one, and "
                "`total` counts requests."
            )
        elif settings.http2:
            sentences["PROXY_HTTP2"] = NEEDS_HTTPS
        if settings.retries:
            sentences["PROXY_RETRIES"] = (
                "pyreqwest does not tell whether a connection was reused: nothing is repeated, but what it repeats by "
                "itself, uncounted: requests that the upstream has not begun (a connection closed before a byte of it "
                "was written; in HTTP/2 a refused stream, or one behind a GOAWAY)."
            )
        if settings.max_connection_age_seconds is not None:
            sentences["PROXY_MAX_CONNECTION_AGE_SECONDS"] = "pyreqwest does not tell how old a connection is."
        if settings.ca_file is not None:
            sentences["PROXY_CA_FILE"] = "pyreqwest trusts these authorities and the system's."
        return sentences

    def connections(self) -> None:
        """The library tells nothing of its connections."""

    def loss(self) -> None:
        """The library tells nothing of its pool."""

    def _abandon(self, call: PyreqwestCall) -> None:
        # wait in the background until the library lets go of it
        self.abandoned += 1
        task = asyncio.create_task(self._see_off(call))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _see_off(self, call: PyreqwestCall) -> None:
        try:
            await call.end()
        finally:
            self.abandoned -= 1

    async def aclose(self) -> None:
        """Close every connection of the pool."""
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._client.close()


def _nothing() -> None:
    pass
