"""pyreqwest: reqwest and hyper, in Rust. The fastest by far, and the one that tells least of what it does.

Cancelling a call does not stop a request whose answer has not begun: the library sends it and waits all the same, up to
the read time-out. So each call runs in a task of its own, and who holds its slot is told when the library really lets
go (`send_until`). Until then the call counts as abandoned.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pyreqwest
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.http import Url
from pyreqwest.request import RequestBuilder, StreamRequest
from pyreqwest.response import Response

from proxy.errors import ProxyError
from proxy.forwarding import Outbound
from proxy.scope import Scope, TaskScope
from proxy.settings import Settings
from proxy.watch import PoolWatch, current

from .permits import Permits
from .pyreqwest_errors import proxy_error
from .pyreqwest_settings import build
from .upload import Upload
from .upstream import NEEDS_HTTPS, header_text, origin, path_text, unsendable

NAME: Final = "pyreqwest"


class PyreqwestClient:
    """The shared client of one worker. `limited` is false behind a gate: the library then needs no limit of its own.

    `abandoned` counts the calls that nobody waits for and the library has not let go of.
    """

    def __init__(self, settings: Settings, _watch: PoolWatch, *, limited: bool = True) -> None:
        self._settings = settings
        self.abandoned = 0
        self._origin = origin(settings)
        self._http2 = settings.http2 and self._origin.secure
        self._client = build(settings, limited=limited)
        self._permits = Permits(settings.max_connections) if limited else None
        self._background: set[asyncio.Task[Any]] = set()
        self.loop = asyncio.get_running_loop()
        self._log = logging.getLogger("proxy")
        self._unreadable_logged = False

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> "PyreqwestAnswer":
        """Send a request and return when the answer's head is there. Raises ProxyError."""
        return await self.send_until(outbound, body, _nothing)

    async def send_until(
        self, outbound: Outbound, body: AsyncIterator[bytes] | None, done: Callable[[], None]
    ) -> "PyreqwestAnswer":
        """Like `send`; `done` is called once, when the library holds nothing for this call any more."""
        try:
            builder = self._builder(outbound)
        except BaseException:
            done()
            raise
        exchange = current.get()
        if self._permits is not None:
            done = self._permits.ask(exchange)
        if body is None:
            call = _Call(self, builder.build_streamed(), done, None)
            return await self._answer(call)
        try:
            async with asyncio.timeout(None) as limit:
                upload = Upload(
                    body,
                    outbound,
                    exchange,
                    self._settings.write_timeout_seconds,
                    lambda: limit.reschedule(asyncio.get_running_loop().time()),
                )
                call = _Call(self, builder.body_stream(upload).build_streamed(), done, upload)
                return await self._answer(call)
        except TimeoutError:
            raise ProxyError("upstream_write_timeout") from None

    async def _answer(self, call: "_Call") -> "PyreqwestAnswer":
        response = await call.head()
        exchange = current.get()
        if exchange is not None:
            exchange.head_received()
        return PyreqwestAnswer(call, response, self._headers(response))

    def _builder(self, outbound: Outbound) -> RequestBuilder:
        text = path_text(NAME, outbound.target)
        url = Url(self._origin.url + text)
        query = url.query_string
        if (url.path if query is None else f"{url.path}?{query}") != text:
            raise unsendable(NAME, "this request target as it is")
        chunked = any(name == b"transfer-encoding" for name, _ in outbound.headers)
        # the library frames a body without a length by itself; in HTTP/2 the authority stands for Host
        left_out = {b"transfer-encoding", b"content-length"} if chunked else set()
        if self._http2:
            left_out.add(b"host")
        headers = [header_text(NAME, *header) for header in outbound.headers if header[0] not in left_out]
        return self._client.request(outbound.method, url).headers(headers).streamed_read_buffer_limit(0)

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

    def scope(self, loop: asyncio.AbstractEventLoop) -> Scope:
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
            sentences["PROXY_RETRIES"] = "pyreqwest does not tell whether a connection was reused: nothing is repeated."
        if settings.max_connection_age_seconds is not None:
            sentences["PROXY_MAX_CONNECTION_AGE_SECONDS"] = "pyreqwest does not tell how old a connection is."
        if settings.ca_file is not None:
            sentences["PROXY_CA_FILE"] = "pyreqwest trusts these authorities and the system's."
        return sentences

    def connections(self) -> None:
        """The library tells nothing of its connections."""

    def wedged(self) -> None:
        """The library tells nothing of its pool."""

    def abandon(self, call: "_Call") -> None:
        """Wait in the background until the library lets go of a call that nobody waits for."""
        self.abandoned += 1
        task = asyncio.create_task(self._see_off(call))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _see_off(self, call: "_Call") -> None:
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


class _Call:
    """One call in a task of its own, from its sending to its end, whoever waits for it."""

    def __init__(
        self, client: PyreqwestClient, request: StreamRequest, done: Callable[[], None], upload: Upload | None
    ) -> None:
        self._client = client
        self._request = request
        self._done = done
        self._upload = upload
        self._ended = False
        self._exchange = current.get()
        self._task = client.loop.create_task(_enter(request))

    async def head(self) -> Response:
        """Wait for the answer's head. Who is cancelled meanwhile leaves the call behind, abandoned."""
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._upload is not None:
                self._upload.give_up()
            self._client.abandon(self)
            raise
        except PyreqwestError as error:
            self._let_go()
            if self._upload is not None and self._upload.failure is not None:
                raise self._upload.failure from None
            raise proxy_error(error) from error
        except BaseException:
            self._let_go()
            raise

    async def end(self) -> None:
        """Wait for the head if it is not there, and let go. Safe to call twice."""
        try:
            await self._task
            if self._exchange is not None:
                self._exchange.released()  # before the next request has the slot
            if not self._ended:
                await self._request.__aexit__(None, None, None)
        except Exception:
            pass  # it ended one way or the other, and nobody waits to hear how
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if not self._ended:
            self._ended = True
            self._done()


class PyreqwestAnswer:
    """An answer whose body has not been read yet."""

    def __init__(self, call: _Call, response: Response, headers: list[tuple[bytes, bytes]]) -> None:
        self._call = call
        self._reader = response.body_reader
        self.status = response.status
        self.headers = headers

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come, nothing decoded. Raises ProxyError if they stop too early."""
        read = self._reader.read_chunk
        try:
            while (chunk := await read()) is not None:
                yield bytes(chunk)
        except PyreqwestError as error:
            raise proxy_error(error) from error

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        await self._call.end()


async def _enter(request: StreamRequest) -> Response:
    return await request.__aenter__()


def _nothing() -> None:
    pass
