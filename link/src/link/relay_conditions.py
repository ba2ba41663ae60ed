"""Network conditions shared by all connections of a relay: the two directions and the faults on the way."""

import math
from random import Random

from link.middlebox import Middlebox
from link.model import MSS, Conditions, Direction, directions
from link.path_charge import PathCharges
from link.stages import DROPS
from link.tcp_recovery import stall


class RelayConditions:
    """The network as a relay emulates it. Pure: the time is an argument."""

    def __init__(self, seed: int):
        self.conditions = Conditions()
        self.down, self.up = Direction(), Direction()
        self.box: Middlebox | None = None
        self.charges = PathCharges()
        self.done = dict.fromkeys(DROPS, 0)
        self._rng = Random(seed)
        self._since = 0.0

    def change(self, conditions: Conditions, now: float, since: float) -> None:
        """Emulate these conditions from now on; a partition counts its seconds from `since`."""
        known = self.box is not None and self.box.conditions.idle_drop is not None
        watching = self.box.watching_since if self.box and known else now
        box = Middlebox(conditions, self._rng, self.done, since=since, watching_since=watching)
        self.box = box if Middlebox.needed(conditions) else None
        self.conditions = conditions
        self._since = since
        down, up = directions(conditions.calm(), self._rng)
        self.down.become(down)
        self.up.become(up)

    def affected(self) -> dict[str, int]:
        """Return the number of connections, handshakes and chunks affected, by cause; a relay's queue only delays."""
        return {why: count for why, count in self.done.items() if why != "queue"}

    def blocked(self, now: float) -> bool:
        """Return whether a partition drops what is sent now."""
        partition = self.conditions.partition
        if partition is None or self.conditions.partition_reset:
            return False
        return partition.is_active(now - self._since)

    def rejects(self, now: float) -> bool:
        """Return whether a partition answers what is sent now with a RST, and count it."""
        rejects = self.box is not None and self.box.rejects(now)
        self.done["partition"] += rejects
        return rejects

    def handshake_lost(self, now: float) -> bool:
        """Return whether a SYN sent now, or its SYN-ACK, is lost; and count it."""
        if self.blocked(now):
            self.done["partition"] += 1
            return True
        arrives = (1 - self.conditions.loss) ** 2
        if not self.conditions.loss or self._rng.random() < arrives:
            return False
        self.done["loss"] += 1
        return True

    def stall(self, size: int, *, more: bool) -> float:
        """Return by how many seconds the loss of segments delays `size` bytes; `more` bytes wait behind them."""
        conditions = self.conditions
        if not conditions.loss:
            return 0.0
        segments = math.ceil(size / MSS)
        seconds = stall(segments, more=more, loss=conditions.loss, rtt=conditions.rtt, random=self._rng.random)
        self.done["loss"] += seconds > 0
        return seconds
