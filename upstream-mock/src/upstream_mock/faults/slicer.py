"""Toxiproxy's slicer, WireMock's chunkedDribbleDelay: the body comes in drops."""

from dataclasses import dataclass

from upstream_mock.asgi import Message
from upstream_mock.duration import LONGEST_SECONDS
from upstream_mock.faults.runtime.body import BodyFault
from upstream_mock.faults.runtime.fault import count, seconds
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


@dataclass(frozen=True)
class Slicer(BodyFault):
    """The head at once, the body `size` bytes at a time with `delay` between them; after an hour the rest at once."""

    delay: float = seconds(0.5)
    size: int = count(12, least=1)

    async def strike(self, request: FaultedRequest) -> None:
        """Answer, drop by drop."""
        drops, paused = 0, 0.0

        async def drip(message: Message) -> None:
            nonlocal drops, paused
            body = message.get("body", b"")
            if not body:
                await request.send(message)
                return
            for start in range(0, len(body), self.size):
                if drops and paused + self.delay <= LONGEST_SECONDS:
                    paused += self.delay
                    if not await request.pause(self.delay):
                        return
                drops += 1
                end = start + self.size
                more = end < len(body) or message.get("more_body", False)
                await request.send({"type": "http.response.body", "body": body[start:end], "more_body": more})

        await request.answer(drip)
