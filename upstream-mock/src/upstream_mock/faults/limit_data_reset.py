"""LIMIT_DATA by RST: the answer's body ends in a reset."""

from dataclasses import dataclass

from upstream_mock.faults.runtime.body import BodyFault, InterruptedBody
from upstream_mock.faults.runtime.fault import count
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


@dataclass(frozen=True)
class LimitDataReset(BodyFault):
    """The answer, after its latency, with `after` bytes of its body or all but the last one; then a reset."""

    after: int = count(64)

    async def strike(self, request: FaultedRequest) -> None:
        """Answer, and stop."""

        async def stop() -> bool:
            await request.rst()
            return False

        await request.answer(InterruptedBody(request, self.after, stop))
