"""An answer that no HTTP server would send, as bytes."""

from typing import ClassVar

from upstream_mock.faults.harness.exchange import Exchange
from upstream_mock.faults.harness.fault import Fault

OK = b"HTTP/1.1 200 OK\r\n"


class RawAnswer(Fault):
    """Sends `answer` at once and to the last byte, then FIN unless `close` is off. It counts as completed."""

    answer: ClassVar[bytes]
    close: ClassVar[bool] = True

    async def strike(self, exchange: Exchange) -> None:
        """Write it out."""
        await exchange.write(self.answer)
        await exchange.finish(close=self.close)
