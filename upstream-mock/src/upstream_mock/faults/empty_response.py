"""WireMock's EMPTY_RESPONSE: the connection is closed without a byte."""

from upstream_mock.faults.harness.exchange import Exchange
from upstream_mock.faults.harness.fault import Fault


class EmptyResponse(Fault):
    """Reads the request, then FIN."""

    async def strike(self, exchange: Exchange) -> None:
        """Close."""
        await exchange.fin()
