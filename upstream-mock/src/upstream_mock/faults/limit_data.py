"""Toxiproxy's limit_data: the answer's body ends too early, by FIN."""

from dataclasses import dataclass

from upstream_mock.faults.runtime.body import BodyFault, InterruptedBody
from upstream_mock.faults.runtime.fault import count
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


@dataclass(frozen=True)
class LimitData(BodyFault):
    """The answer, after its latency, with `after` bytes of its body or all but the last one, whatever is less.

    With Content-Length fewer bytes come than were promised, with chunks the last chunk is missing. Of an answer that
    only ends with its connection (`UPSTREAM_FRAMING=close`) nobody can tell that it was cut.
    """

    after: int = count(64)

    async def strike(self, request: FaultedRequest) -> None:
        """Answer, and stop."""

        async def stop() -> bool:
            await request.fin()
            return False

        await request.answer(InterruptedBody(request, self.after, stop))
