"""WireMock's RANDOM_DATA_THEN_CLOSE: bytes that are not HTTP, then FIN."""

from dataclasses import dataclass

from upstream_mock.faults.harness.exchange import Exchange
from upstream_mock.faults.harness.fault import Fault, count


@dataclass(frozen=True)
class RandomDataThenClose(Fault):
    """`bytes` random bytes, of which the first is none that HTTP begins with."""

    bytes: int = count(100, least=1)

    async def strike(self, exchange: Exchange) -> None:
        """Write, then FIN."""
        await exchange.write(b"\x00" + exchange.random.randbytes(self.bytes - 1))
        await exchange.fin()
