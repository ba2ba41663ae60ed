"""uvicorn's connection by httptools, the default parser, as the proxy needs it."""

from typing import Any

from proxy.forward.holding_transport import HoldingTransport
from proxy.forward.uvicorn_protocol import CallerProtocol
from service_kit.plain_http1 import PlainHttp1Protocol


class HttpToolsConnection(CallerProtocol, PlainHttp1Protocol):
    """One caller's connection."""

    def on_message_begin(self) -> None:
        """A request begins to arrive."""
        super().on_message_begin()
        self.begin_request(self.scope)


class HoldingConnection(HttpToolsConnection):
    """The tuned one: the head of an answer leaves in one packet with the first piece of its body."""

    def connection_made(self, transport: Any) -> None:
        """Accepted."""
        holding = HoldingTransport(transport, self.loop)
        super().connection_made(holding)
        self.downstream.hold_next_write = holding.hold
