"""Faults of the connection: closed or reset in place of an answer, or never accepted."""

from dataclasses import dataclass

from upstream_mock.asgi import Scope
from upstream_mock.faults.runtime.fault import Fault, ListenerFault, count, seconds
from upstream_mock.faults.runtime.faulted_request import FaultedRequest
from upstream_mock.pausable_listener import PausableListener

DEFAULT_PAUSE_SECONDS = 2.0


class EmptyResponse(Fault):
    """WireMock's EMPTY_RESPONSE: the request is read, then FIN without a byte."""

    async def apply(self, request: FaultedRequest) -> None:
        await request.fin()


class ConnectionResetByPeer(Fault):
    """WireMock's CONNECTION_RESET_BY_PEER, Toxiproxy's reset_peer: RST (SO_LINGER 0). The body is not read."""

    async def apply(self, request: FaultedRequest) -> None:
        await request.rst()


class CloseOnReuse(Fault):
    """The keep-alive race made on purpose: FIN without an answer to all but the first request of a connection.

    The client sees what it sees when its request crosses the server's FIN on the way: a request that is never
    answered, on a connection that has worked before.
    """

    def applies_to(self, scope: Scope, carried: int) -> bool:  # noqa: ARG002 whatever it asks for
        return carried > 1

    async def apply(self, request: FaultedRequest) -> None:
        await request.fin()


@dataclass(frozen=True)
class StopAccepting(ListenerFault):
    """The listening socket is not read for a while, as by a process whose loop is blocked or that is out of files.

    Kept connections work; a new one is made by the kernel, and nothing answers on it. So connects succeed and requests
    time out; beyond the backlog SYNs are dropped, and connects time out too. `backlog` makes that come sooner: 1 lets
    two connections wait. With only `from` or `to` it needs no request: it begins at `from` and ends at `to`. Otherwise
    each affected request, which is answered all the same, begins one of `for`, 2 s by default.
    """

    for_: float | None = seconds(None)
    backlog: int | None = count(None, most=4096)

    def pause(self, listener: PausableListener, seconds: float | None) -> None:
        listener.pause(self.for_ or seconds or DEFAULT_PAUSE_SECONDS, self.backlog)
