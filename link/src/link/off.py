"""The off engine: nothing is emulated, nothing stands between the proxy and its upstream."""

from typing import Any

from link.lateness import Lateness
from link.model import Conditions


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

    def refuses(self, conditions: Conditions) -> tuple[str, str] | None:  # noqa: ARG002 - an Engine is told them
        """Return that there is nothing that could emulate anything: an engine needs privileges this process gave up."""
        return "engine", (
            "no engine stands between the proxy and its upstream; start the link with NET_ENGINE=tun (in Compose) or "
            "NET_ENGINE=relay, which may have nothing to emulate yet"
        )

    def change(self, conditions: Conditions, since: float) -> None:
        """Nothing to change."""

    def limits(self, conditions: Conditions) -> list[str]:  # noqa: ARG002 - an Engine is told them
        """Nothing to say."""
        return []

    def stats(self) -> dict[str, Any]:
        """Nothing passes here."""
        return {}
