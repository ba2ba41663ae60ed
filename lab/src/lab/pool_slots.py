"""The pool as slots: each connection of each worker, what it does and for how long, and who waits before it. Pure."""

from dataclasses import dataclass
from typing import Literal

from lab.account.places import PLACES
from lab.figures.places import COLOURS, label, place_of
from lab.wire.proxy import Holder, PoolStats
from lab.wire.service import WorkerProcess

SlotState = Literal["busy", "connecting", "over", "lost", "idle", "free"]
"""`over`: its request has ended and it was not given back; `lost`: taken in the client library, held by no request.

`free`: not opened; the pool may open one more.
"""

_WORDS: dict[SlotState, str] = {
    "busy": "busy",
    "connecting": "connecting: the upstream has not accepted it yet",
    "over": "held by a request that is over: its response was never closed",
    "lost": "lost: the client library counts it as taken, and no request holds it",
    "idle": "idle: open, and kept for the next request",
    "free": "not open: there may be one more",
}


@dataclass(frozen=True)
class Slot:
    """One connection that the pool may have. `doing` is the place its request is at, `title` a sentence."""

    state: SlotState
    title: str
    held_ms: float | None = None
    doing: str | None = None
    colour: str | None = None


@dataclass(frozen=True)
class WorkerSlots:
    """The slots of one worker of the proxy, the longest held first, and how many requests wait for one."""

    pid: int
    slots: list[Slot]
    waiting: int
    busy: int


@dataclass(frozen=True)
class PoolSlots:
    """The slots of all workers; `sentence` is the pool in words."""

    sentence: str
    workers: list[WorkerSlots]


def pool_slots(pool: PoolStats) -> PoolSlots:
    """Return the pool as it is now. Over HTTP/2 many requests share a connection: then a slot is a request."""
    workers = pool.process.workers or [WorkerProcess(pid=0)]
    each = max(pool.max // max(len(workers), 1), 1)
    rows = [_worker(pool, worker, each, alone=len(workers) == 1) for worker in workers]
    return PoolSlots(_sentence(pool), rows)


def _sentence(pool: PoolStats) -> str:
    connecting = pool.connecting or 0
    if pool.total is not None and pool.active > pool.total:
        now = f"{pool.active} requests share {_number(pool.total, 'connection')}, of {pool.max} allowed"
    else:
        now = f"{pool.active - connecting} of {_number(pool.max, 'connection')} busy"
    parts = [now]
    if connecting:
        parts.append(f"{connecting} connecting")
    if pool.idle is not None:
        parts.append(f"{pool.idle} idle")
    parts.append(f"{_number(pool.waiting, 'request')} waiting")
    return ", ".join(parts)


def _worker(pool: PoolStats, worker: WorkerProcess, most: int, *, alone: bool) -> WorkerSlots:
    active = pool.active if alone or worker.active is None else worker.active
    idle = (pool.idle if alone else worker.idle) or 0
    waiting = pool.waiting if alone else worker.waiting
    holders = [one for one in pool.holders if alone or one.worker == worker.pid]
    slots = [_held(one) for one in holders[:active]] if active else []
    lost = pool.lost if alone else 0
    slots += [_slot("busy")] * max(active - len(slots), 0)
    slots += [_slot("lost")] * lost + [_slot("idle")] * idle
    slots += [_slot("free")] * max(most - len(slots), 0)
    return WorkerSlots(worker.pid, slots, waiting, active)


def _held(holder: Holder) -> Slot:
    state: SlotState = "over" if holder.phase is None else "connecting" if holder.phase == "connect" else "busy"
    request = f"{holder.method} {holder.path}".strip()
    held_ms = round(holder.held_seconds * 1000, 1)
    place = place_of(holder.phase) if holder.phase else None
    doing = f"{label(place)}, {PLACES[place].meaning}" if place and state == "busy" else _WORDS[state]
    title = f"{request}, for {held_ms:.0f} ms: {doing}" if request else f"for {held_ms:.0f} ms: {doing}"
    return Slot(state, title, held_ms, label(place) if place else None, COLOURS[place] if place else None)


def _slot(state: SlotState) -> Slot:
    return Slot(state, _WORDS[state])


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
