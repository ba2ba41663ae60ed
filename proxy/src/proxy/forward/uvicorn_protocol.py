"""What the proxy adds to uvicorn's HTTP/1.1 connections, whichever parser reads them."""

import asyncio
from typing import Any, Final

from proxy.forward.downstream_connection import SCOPE_KEY, DownstreamConnection

LOOK_EVERY_SECONDS: Final = 0.1
"""How soon after a caller's FIN it is asked whether it still reads, and how often it is looked at from then on."""

STILL_THERE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""What asks it: legal before any final answer (RFC 9110 section 15.2), and reset by a caller that has closed it all."""


class CallerProtocol(asyncio.Protocol):
    """Mixed into a protocol class of uvicorn's: each request's scope has its `DownstreamConnection`."""

    transport: Any
    loop: Any
    cycle: Any
    _half_closed = False

    def connection_made(self, transport: Any) -> None:
        """Accepted."""
        self.downstream = DownstreamConnection(None, transport.get_extra_info("socket"))
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone, or was cut off."""
        super().connection_lost(exc)
        self.downstream.lose()

    def begin_request(self, scope: Any) -> None:
        """Add our own key to the scope of a request that begins."""
        scope[SCOPE_KEY] = self.downstream

    def eof_received(self) -> Any:  # uvicorn's has no value
        """The caller closed its side; return whether the connection stays open for the answers that are due.

        uvicorn takes a FIN for the end of the connection. It is one if a request is not whole yet, or its answer has
        begun. Else the caller may only have closed its side and wait for the answer: the two look the same until
        something is sent, so something is.
        """
        cycle = self.cycle
        if self._half_closed or cycle is None or cycle.more_body or cycle.response_started:
            return self._half_closed
        self._half_closed = True
        self.loop.call_later(LOOK_EVERY_SECONDS, self._look, False)
        return True

    def on_response_complete(self) -> None:
        super().on_response_complete()  # type: ignore[misc] # uvicorn's, of both parsers
        if self._half_closed and self.cycle.response_complete:
            self.transport.close()

    def _look(self, asked: bool) -> None:
        if self.transport.is_closing():
            return
        if self.downstream.was_reset():
            self.transport.abort()
            return
        if not asked and not self._is_answering():
            if self.cycle.scope["http_version"] == "1.0":  # knows no 100 Continue
                self.transport.close()
                return
            self.transport.write(STILL_THERE)
            asked = True
        self.loop.call_later(LOOK_EVERY_SECONDS, self._look, asked)

    def _is_answering(self) -> bool:
        """Whether an answer may be under way: of the last request, or of one before it."""
        return self.cycle.response_started or bool(getattr(self, "pipeline", None))
