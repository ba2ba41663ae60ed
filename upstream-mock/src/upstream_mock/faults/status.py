"""An error status in place of the answer: Envoy's abort fault with `http_status`."""

from dataclasses import dataclass
from typing import ClassVar

from upstream_mock.faults.runtime.fault import Fault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest
from upstream_mock.json_response import answer_short


@dataclass(frozen=True)
class Status(Fault):
    """STATUS_503 and its kin: this status at once, with a small JSON body. The connection is kept."""

    numbers: ClassVar[range] = range(400, 600)
    number: int

    async def strike(self, request: FaultedRequest) -> None:
        """Answer."""
        body = b'{"error":"STATUS_%d"}' % self.number
        await answer_short(request.send, self.number, body)
