"""A raw upstream in a thread and a loop of its own, for what blocks the loop that it is called from."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support.raw_http import Exchange, RawUpstream, Script, raw_upstream


@contextmanager
def threaded_upstream(script: Script) -> Iterator[RawUpstream]:
    """Serve a script until the end of the block; what it remembers may be read from any thread."""
    started = threading.Event()
    found: list[RawUpstream] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with raw_upstream(script) as upstream:
            found.append(upstream)
            started.set()
            await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(10)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


class Meter:
    """A script that answers after a while (once `until` holds), and how many requests it had at the same time."""

    def __init__(self, seconds: float = 0.0, answer: bytes = b"", until: Callable[[], bool] | None = None) -> None:
        self.seconds = seconds
        self.until = until
        self.answer = answer or b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
        self.now = 0
        self.most = 0

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        self.now += 1
        self.most = max(self.most, self.now)
        deadline = time.monotonic() + 10
        while self.until is not None and not self.until() and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        await asyncio.sleep(self.seconds)
        self.now -= 1
        await exchange.send(self.answer)
