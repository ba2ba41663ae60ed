"""WireMock's RANDOM_DATA_THEN_CLOSE: bytes that are not HTTP, then FIN."""

from dataclasses import dataclass

from upstream_mock.faults.runtime.fault import Fault, count
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


@dataclass(frozen=True)
class RandomDataThenClose(Fault):
    """`bytes` random bytes, of which the first is none that HTTP begins with."""

    bytes: int = count(100, least=1)

    async def strike(self, request: FaultedRequest) -> None:
        """Write, then FIN."""
        await request.write(b"\x00" + request.random.randbytes(self.bytes - 1))
        await request.fin()
