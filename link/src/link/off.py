"""The off engine: nothing is emulated, nothing stands between the proxy and its upstream."""

from typing import Any

from link.lateness import Lateness


class Off:
    """Does nothing, and costs nothing."""

    def __init__(self) -> None:
        self.lateness = Lateness()

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def measure(self) -> None:
        """Nothing to measure."""

    def stats(self) -> dict[str, Any]:
        """Nothing passes here."""
        return {}
