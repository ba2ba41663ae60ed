"""The answer stops in the middle of its body for a while, then goes on (Toxiproxy's timeout, after some data)."""

from dataclasses import dataclass

from upstream_mock.faults.runtime.body import BodyFault, InterruptedBody
from upstream_mock.faults.runtime.fault import count, seconds
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


@dataclass(frozen=True)
class StallInBody(BodyFault):
    """Head and `after` bytes, or all but the last one; `delay`; the rest."""

    delay: float = seconds(30.0)
    after: int = count(64)

    async def strike(self, request: FaultedRequest) -> None:
        """Answer, with a pause."""

        async def wait() -> bool:
            return await request.pause(self.delay)

        await request.answer(InterruptedBody(request, self.after, wait))
