"""Envoy's delay fault, WireMock's fixedDelayMilliseconds: nothing comes for a while, then the answer."""

from dataclasses import dataclass

from upstream_mock.faults.harness.exchange import Exchange
from upstream_mock.faults.harness.fault import Fault, seconds


@dataclass(frozen=True)
class StallBeforeHeaders(Fault):
    """`delay` before anything is done, on top of the latency; no server of UPSTREAM_CAPACITY is held meanwhile."""

    delay: float = seconds(30.0)

    async def strike(self, exchange: Exchange) -> None:
        """Wait, then answer."""
        if await exchange.pause(self.delay):
            await exchange.answer()
