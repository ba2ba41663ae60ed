"""The netem engine: the kernel itself holds packets back. This process sets it up, measures it and reads its counters.

Nothing of a packet's way leads through here, so the link is never late and takes no CPU that could be told from the
kernel's own. What it is set to stays in force when the link ends: the next link in the namespace takes it away. Its
random numbers are the kernel's, which NET_SEED does not reach.
"""

from typing import Any

from link import netem, qdiscs
from link.lateness import Lateness
from link.limits import IPV6
from link.measure import Measured
from link.model import Conditions
from link.namespace import carrying
from link.probe import Probe

PATIENCE = 1.0
"""Seconds a probe may take beyond what is configured before it counts as lost."""


class Netem:
    """Built with privileges, run without. The probe goes through the first interface."""

    def __init__(self, conditions: Conditions, port: int):
        self.lateness = Lateness()
        self._longest = conditions.rtt + 3 * conditions.jitter
        shaped = carrying()
        qdiscs.shape(conditions, port, shaped)
        self._probe = Probe(shaped[0], port)

    async def start(self) -> None:
        """Nothing to start: the kernel has begun."""

    async def stop(self) -> None:
        """Close the probe's sockets. The qdiscs stay, so that nothing passes undelayed."""
        self._probe.close()

    async def measure(self) -> Measured:
        """Time frames through the qdisc, without anybody's TCP: a handshake is a trip, a first request one more."""
        trips = await self._probe.trips(self._longest + PATIENCE)
        return Measured(connect=trips, fresh=[2 * trip for trip in trips], warm=trips)

    def refuses(self, conditions: Conditions) -> tuple[str, str] | None:  # noqa: ARG002 - whatever they are
        """Return why no other conditions can be had without a new start: what tc needs, the link has given up."""
        allowed = "a new start, or NET_ENGINE=tun"
        return "engine", f"netem keeps what it was set up with, the link has dropped its privileges; allowed: {allowed}"

    def change(self, conditions: Conditions, since: float) -> None:
        """Never asked for, since all conditions are refused."""
        raise NotImplementedError

    def limits(self, conditions: Conditions) -> list[str]:
        """Return what of these conditions is emulated otherwise than real, a sentence each."""
        return [IPV6, *netem.limits(conditions)]

    def stats(self) -> dict[str, Any]:
        """Return the kernel's counters, as `/-/stats` shows them; the probe's frames are among them."""
        counted = netem.counters(qdiscs.listing())
        return {"packets": {name: counted[name] for name in ("carried", "dropped", "held")},
                "bytes": {"carried": counted["bytes"]}}  # fmt: skip
