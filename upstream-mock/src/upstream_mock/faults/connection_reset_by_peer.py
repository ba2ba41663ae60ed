"""WireMock's CONNECTION_RESET_BY_PEER, Toxiproxy's reset_peer: RST in place of an answer."""

from upstream_mock.faults.runtime.fault import Fault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


class ConnectionResetByPeer(Fault):
    """A true RST: the socket is closed with SO_LINGER 0. The request's body is not read."""

    async def strike(self, request: FaultedRequest) -> None:
        """Reset."""
        await request.rst()
