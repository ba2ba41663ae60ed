"""The keep-alive race made on purpose: the server hangs up just when the next request of a kept connection comes."""

from upstream_mock.asgi import Scope
from upstream_mock.faults.runtime.fault import Fault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


class CloseOnReuse(Fault):
    """Reads the request of a reused connection, then FIN without an answer. Fresh connections work.

    Which is what a client sees whose request crossed the server's FIN on the way: a request that was never answered,
    on a connection that had worked before.
    """

    def reaches(self, scope: Scope, carried: int) -> bool:  # noqa: ARG002 whatever it asks for
        """All but a connection's first request."""
        return carried > 1

    async def strike(self, request: FaultedRequest) -> None:
        """Close."""
        await request.fin()
