"""The answer stops in the middle of its body for a while, then goes on (Toxiproxy's timeout, after some data)."""

from dataclasses import dataclass

from upstream_mock.faults.harness.body import BodyFault, Stopped
from upstream_mock.faults.harness.exchange import Exchange
from upstream_mock.faults.harness.fault import count, seconds


@dataclass(frozen=True)
class StallInBody(BodyFault):
    """Head and `after` bytes, or all but the last one; `delay`; the rest."""

    delay: float = seconds(30.0)
    after: int = count(64)

    async def strike(self, exchange: Exchange) -> None:
        """Answer, with a pause."""

        async def wait() -> bool:
            return await exchange.pause(self.delay)

        await exchange.answer(Stopped(exchange, self.after, wait))
