"""A header longer than most clients read."""

from dataclasses import dataclass

from upstream_mock.asgi import Message
from upstream_mock.faults.runtime.fault import Fault, count
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


@dataclass(frozen=True)
class HugeHeader(Fault):
    """The answer, with one more header of `bytes` bytes; 300 KB is above the limits of most clients."""

    bytes: int = count(300_000, least=1)

    async def strike(self, request: FaultedRequest) -> None:
        """Answer, with the header."""

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-huge", b"h" * self.bytes)]
            await request.send(message)

        await request.answer(send)
