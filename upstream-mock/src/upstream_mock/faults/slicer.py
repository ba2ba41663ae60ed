"""Toxiproxy's slicer, WireMock's chunkedDribbleDelay: the body comes in drops."""

from dataclasses import dataclass

from upstream_mock.asgi import Message
from upstream_mock.duration import LONGEST_SECONDS
from upstream_mock.faults.harness.body import BodyFault
from upstream_mock.faults.harness.exchange import Exchange
from upstream_mock.faults.harness.fault import count, seconds


@dataclass(frozen=True)
class Slicer(BodyFault):
    """The head at once, the body `size` bytes at a time with `delay` between them; after an hour the rest at once."""

    delay: float = seconds(0.5)
    size: int = count(12, least=1)

    async def strike(self, exchange: Exchange) -> None:
        """Answer, drop by drop."""
        drops, paused = 0, 0.0

        async def drip(message: Message) -> None:
            nonlocal drops, paused
            body = message.get("body", b"")
            if not body:
                await exchange.send(message)
                return
            for start in range(0, len(body), self.size):
                if drops and paused + self.delay <= LONGEST_SECONDS:
                    paused += self.delay
                    if not await exchange.pause(self.delay):
                        return
                drops += 1
                end = start + self.size
                more = end < len(body) or message.get("more_body", False)
                await exchange.send({"type": "http.response.body", "body": body[start:end], "more_body": more})

        await exchange.answer(drip)
