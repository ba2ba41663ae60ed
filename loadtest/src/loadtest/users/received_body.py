"""The body of an answer while it comes."""

import time
from typing import Any


class ReceivedBody:
    """What geventhttpclient reads; `first_at` is when the first byte was there, 0 without any."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.first_at = 0.0
        self.received = 0

    @property
    def left(self) -> bool:
        """Whether the connection was closed before the end."""
        return self._left

    _left = False

    def read(self, most: int) -> bytes:
        """Return the next bytes, none at the end."""
        data = bytes(self._response.read(most))
        if data and not self.received:
            self.first_at = time.perf_counter()
        self.received += len(data)
        return data

    def leave(self) -> None:
        """Close the connection, whatever is still to come; keep it if nothing is."""
        self._left = not self._response.message_complete
        self._response.release()
