"""What the link answers: its configuration, and what it did to the packets."""

from pydantic import Field

from lab.wire.service import Histogram, Process, ServiceConfig, VariableValues, WireModel


class LinkConfig(ServiceConfig):
    """The link's `/-/config`. `configured` is what its settings come to, `caveats` are the engine's inaccuracies."""

    engine: str | None = None
    because: str | None = None
    configured: VariableValues = Field(default_factory=dict)
    measured: dict[str, dict[str, float | None]] | None = None
    caveats: list[str] = Field(default_factory=list)


class PacketCount(WireModel):
    """What the tun engine counts: packets dropped, by condition."""

    dropped_by: dict[str, int] | None = None


class PathSums(WireModel):
    """What the link charged the answers' packets since it started, in ms summed over connections.

    Each moment counts once, by what it paid for; `retransmission` is the time until a lost packet's next copy passed.
    """

    propagation: float
    retransmission: float
    bandwidth_queue: float
    handshake: float
    connections: int


class LinkStats(WireModel):
    """The link's `/-/stats`. A relay counts affected connections, tun dropped packets."""

    affected_by: dict[str, int] | None = None
    path_ms: PathSums | None = None
    packets: PacketCount = PacketCount()
    lateness_ms: Histogram | None = None
    process: Process = Process()

    @property
    def injected(self) -> dict[str, int] | None:
        """How often each network condition took effect; None if the engine does not count it."""
        return self.affected_by if self.affected_by is not None else self.packets.dropped_by
