"""uvicorn's connection by httptools, the default parser, as the proxy needs it."""

from typing import Any

from proxy.forward.holding_transport import HoldingTransport
from proxy.forward.request_checks import UPGRADE_KEY
from proxy.forward.request_target import AUTHORITY_KEY, origin_form
from proxy.forward.uvicorn_protocol import CallerProtocol
from service_kit.plain_http1 import PlainHttp1Protocol


class HttpToolsConnection(CallerProtocol, PlainHttp1Protocol):
    """One caller's connection."""

    def _parse_without_upgrade(self) -> None:
        super()._parse_without_upgrade()
        self.cycle.scope[UPGRADE_KEY] = True

    def origin_form(self, target: bytes) -> bytes:
        """Return the target in origin form; the authority of an absolute one goes into the scope."""
        target, authority = origin_form(self.parser.get_method(), target)
        if authority is not None:
            self.scope[AUTHORITY_KEY] = authority
        return target


class HoldingConnection(HttpToolsConnection):
    """The tuned one: the head of an answer leaves in one packet with the first piece of its body."""

    def connection_made(self, transport: Any) -> None:
        """Accepted."""
        holding = HoldingTransport(transport, self.loop)
        super().connection_made(holding)
        self.downstream.hold_next_write = holding.hold
