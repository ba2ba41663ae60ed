"""103 Early Hints (RFC 8297) before the answer: right, but not every client skips it."""

from upstream_mock.faults.runtime.fault import Fault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest

HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"


class EarlyHints(Fault):
    """103 at once, then the answer after its latency. An HTTP/1.0 caller is not spared, though he should be."""

    async def strike(self, request: FaultedRequest) -> None:
        """Hint, then answer."""
        await request.write(HINTS)
        await request.answer()
