"""WireMock's CONNECTION_RESET_BY_PEER, Toxiproxy's reset_peer: RST in place of an answer."""

from upstream_mock.faults.harness.exchange import Exchange
from upstream_mock.faults.harness.fault import Fault


class ConnectionResetByPeer(Fault):
    """A true RST: the socket is closed with SO_LINGER 0. The request's body is not read."""

    async def strike(self, exchange: Exchange) -> None:
        """Reset."""
        await exchange.rst()
