"""A transport that keeps the head of an answer for the first piece of its body.

uvicorn writes the head at once, so that a small answer takes two system calls and two packets.
"""

import asyncio


class HoldingTransport:
    """A transport that can keep the next write for the one after it, up to the event loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = transport
        self._loop = loop
        self._holding = False
        self._held = b""
        self._flushing: asyncio.Handle | None = None
        # taken over as they are: looked up several times a request
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.abort = transport.abort
        self.set_protocol = transport.set_protocol
        self.abort = transport.abort
        self.can_write_eof = transport.can_write_eof

    def hold(self) -> None:
        """Keep the next write."""
        self._holding = True

    def write(self, data: bytes) -> None:
        """Write, or keep it until the next one, or until the loop has done what it has to do now."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
            self._inner.write(self._held + data)
        elif self._holding:
            self._holding = False
            self._held = data
            self._flushing = self._loop.call_soon(self._flush)
        else:
            self._inner.write(data)

    def write_eof(self) -> None:
        """Write what is kept, and close for writing."""
        self._flush()
        self._inner.write_eof()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are not written yet."""
        return self._inner.get_write_buffer_size() + (len(self._held) if self._flushing is not None else 0)

    def close(self) -> None:
        """Write what is kept, and close."""
        self._flush()
        self._inner.close()

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
            self._inner.write(self._held)
