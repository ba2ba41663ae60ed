"""Envoy's delay fault, WireMock's fixedDelayMilliseconds: nothing comes for a while, then the answer."""

from dataclasses import dataclass

from upstream_mock.faults.runtime.fault import Fault, seconds
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


@dataclass(frozen=True)
class StallBeforeHeaders(Fault):
    """`delay` before anything is done, on top of the latency; no server of UPSTREAM_CAPACITY is held meanwhile."""

    delay: float = seconds(30.0)

    async def strike(self, request: FaultedRequest) -> None:
        """Wait, then answer."""
        if await request.pause(self.delay):
            await request.answer()
