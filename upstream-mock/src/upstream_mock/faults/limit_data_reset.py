"""LIMIT_DATA by RST: the answer's body ends in a reset."""

from dataclasses import dataclass

from upstream_mock.faults.harness.body import BodyFault, Stopped
from upstream_mock.faults.harness.exchange import Exchange
from upstream_mock.faults.harness.fault import count


@dataclass(frozen=True)
class LimitDataReset(BodyFault):
    """The answer, after its latency, with `after` bytes of its body or all but the last one; then a reset."""

    after: int = count(64)

    async def strike(self, exchange: Exchange) -> None:
        """Answer, and stop."""

        async def stop() -> bool:
            await exchange.rst()
            return False

        await exchange.answer(Stopped(exchange, self.after, stop))
