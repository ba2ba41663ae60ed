"""An answer that no HTTP server would send, as bytes."""

from typing import ClassVar

from upstream_mock.faults.runtime.fault import Fault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest

OK = b"HTTP/1.1 200 OK\r\n"


class RawAnswer(Fault):
    """Sends `answer` at once and to the last byte, then FIN unless `close` is off. It counts as completed."""

    answer: ClassVar[bytes]
    close: ClassVar[bool] = True

    async def strike(self, request: FaultedRequest) -> None:
        """Write it out."""
        await request.write(self.answer)
        await request.finish(close=self.close)
