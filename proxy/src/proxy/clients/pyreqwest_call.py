"""One call through pyreqwest, and its answer: cancelling the caller does not stop it, so it has a life of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable

from pyreqwest.exceptions import PyreqwestError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response, ResponseBodyReader

from proxy.watch import current

from .pyreqwest_errors import proxy_error
from .request_body import Upload


class Call:
    """One call in a task of its own, from its sending to its end, whoever waits for it.

    `done` is called once, when the library has let go of it; `abandon` when nobody waits for it any more and the
    library has not.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        request: StreamRequest,
        done: Callable[[], None],
        upload: Upload | None,
        abandon: Callable[["Call"], None],
    ) -> None:
        self._abandon = abandon
        self._request = request
        self._done = done
        self._upload = upload
        self._entered = self._ended = False
        self._exchange = current.get()
        self._head: asyncio.Future[Response] = loop.create_future()
        self._task = loop.create_task(self._enter())

    async def head(self) -> Response:
        """Wait for the answer's head. Who is cancelled meanwhile leaves the call behind, abandoned."""
        try:
            return await self._head
        except asyncio.CancelledError:
            if self._upload is not None:
                self._upload.give_up()
            self._abandon(self)
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
            if self._entered and not self._ended:
                await self._request.__aexit__(None, None, None)
        except Exception:
            pass  # it ended one way or the other, and nobody waits to hear how
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

    def _let_go(self) -> None:
        if not self._ended:
            self._ended = True
            self._done()


class PyreqwestAnswer:
    """An answer whose body has not been read yet."""

    def __init__(self, call: Call, response: Response, headers: list[tuple[bytes, bytes]]) -> None:
        self._call = call
        self._reader = response.body_reader
        self.status = response.status
        self.headers = headers

    def body(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come, nothing decoded. Raises ProxyError if they stop too early."""
        return _Chunks(self._reader)

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
