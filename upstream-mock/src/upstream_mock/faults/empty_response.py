"""WireMock's EMPTY_RESPONSE: the connection is closed without a byte."""

from upstream_mock.faults.runtime.fault import Fault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


class EmptyResponse(Fault):
    """Reads the request, then FIN."""

    async def strike(self, request: FaultedRequest) -> None:
        """Close."""
        await request.fin()
