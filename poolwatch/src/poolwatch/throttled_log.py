"""A log that cannot be the bottleneck: one line a second for each kind, with the number of those not shown."""

import logging
import time


class ThrottledLog:
    """Logs the first of a kind at once and then at most one a second of it."""

    def __init__(self, name: str, interval_seconds: float = 1.0) -> None:
        self._logger = logging.getLogger(name)
        self._interval_seconds = interval_seconds
        self._shown_at: dict[object, float] = {}
        self._hidden: dict[object, int] = {}

    def info(self, message: str, *args: object) -> None:
        """Log what is worth knowing."""
        self._log(logging.INFO, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Log what went wrong."""
        self._log(logging.WARNING, message, args)

    def _log(self, level: int, message: str, args: tuple[object, ...]) -> None:
        kind = (message, args[:2])
        now = time.monotonic()
        if now - self._shown_at.get(kind, -self._interval_seconds) < self._interval_seconds:
            self._hidden[kind] = self._hidden.get(kind, 0) + 1
            return
        self._shown_at[kind] = now
        hidden = self._hidden.pop(kind, 0)
        self._logger.log(
            level, message + (" (and %d more like it)" if hidden else ""), *args, *([hidden] if hidden else [])
        )
