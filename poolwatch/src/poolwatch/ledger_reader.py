"""Reading the ledger: the rings of all workers, merged by time, page by page."""

import heapq
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

from poolwatch.counters import Cell
from poolwatch.ledger import HEADER, RECORD, SUFFIX
from poolwatch.phases import NAMES, Phase

END = "end"
"""The cursor of a reader that wants only what comes from now on."""


class BadCursor(ValueError):
    """The text is not a cursor that a page of the ledger has given."""


@dataclass(frozen=True)
class _Part:
    """What was found in one ring after a cursor: raw records, oldest first, and how many were written over."""

    worker: int
    ring: str
    first: int
    records: list[tuple[Any, ...]]
    dropped: int

    def id_of(self, sequence: int) -> str:
        """Return the id of a request that came without one: of the same form as `Monitor.new_request_id`."""
        return f"{crc32(self.ring.encode()):08x}{sequence:08x}"


def page(directory: Path, since: str | None, limit: int, codes: Sequence[str]) -> dict[str, Any]:
    """Return up to `limit` entries after a cursor, in order of their ends: {"next", "dropped", "entries"}.

    Raises BadCursor. The cursor holds a sequence number for each worker: an entry is given exactly once.
    """
    after = None if since == END else _parsed(since or "")
    found = [_part(path, after, limit) for path in sorted(directory.glob(f"*{SUFFIX}"))]
    parts = [part for part in found if part is not None]
    # merged, not sorted: should the clock be set back, the order within a ring is still the cursor's
    rings = [[(part, record) for record in part.records] for part in parts]
    chosen = list(islice(heapq.merge(*rings, key=_ended_ns), limit))
    reached = {part.ring: part.first for part in parts} | {part.ring: record[0] for part, record in chosen}
    return {
        "next": ".".join(f"{ring}~{last:x}" for ring, last in reached.items()),
        "dropped": sum(part.dropped for part in parts),
        "entries": [_entry(record, part, codes) for part, record in chosen],
    }


def _ended_ns(item: tuple[_Part, tuple[Any, ...]]) -> int:
    started_ns, total_ns = item[1][1:3]
    return int(started_ns + total_ns)


def page_json(directory: Path, since: str | None, limit: int, codes: Sequence[str]) -> bytes:
    """Return a page as JSON, an entry a line. Raises BadCursor."""
    whole = page(directory, since, limit, codes)
    entries = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in whole.pop("entries"))
    head = json.dumps(whole, separators=(",", ":"))
    return f'{head[:-1]},"entries":[\n{entries}\n]}}\n'.encode()


def _parsed(cursor: str) -> dict[str, int]:
    try:
        pairs = [part.split("~") for part in cursor.split(".") if part]
        return {ring: int(last, 16) for ring, last in pairs}
    except ValueError:
        raise BadCursor(f"since={cursor!r}: not a cursor; allowed: the `next` of an answer, or {END!r}") from None


def _part(path: Path, after: dict[str, int] | None, limit: int) -> _Part | None:
    """Read one ring, None if it has just been removed. Without `after` nothing but its end."""
    ring = path.stem.removeprefix("worker-")
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        descriptor = file.fileno()
        pid, slots, written = _head(descriptor)
        start = written if after is None else after.get(ring, 0)
        first = max(start, written + 1 - slots)
        records = list(_records(descriptor, slots, first, min(written, first + limit)))
        # overtaken while reading: the writer may be at work on one more than it has counted
        safe = max(first, _head(descriptor)[2] + 1 - slots)
    records = [record for record in records if record[0] > safe]
    return _Part(pid, ring, safe, records, safe - start)


def _head(descriptor: int) -> tuple[int, int, int]:
    head = os.pread(descriptor, HEADER.size, 0)
    pid, slots, written = HEADER.unpack(head) if len(head) == HEADER.size else (0, 0, 0)
    return pid, max(slots, 1), written  # a ring that is being made has no slots yet


def _records(descriptor: int, slots: int, first: int, last: int) -> Iterator[tuple[Any, ...]]:
    """Yield the records after `first` up to `last`: in one piece of the file, or in two where the ring turns."""
    while first < last:
        slot = first % slots
        count = min(last - first, slots - slot)
        yield from RECORD.iter_unpack(os.pread(descriptor, RECORD.size * count, HEADER.size + RECORD.size * slot))
        first += count


def _entry(record: tuple[Any, ...], part: _Part, codes: Sequence[str]) -> dict[str, Any]:
    sequence, started_ns, total_ns, *rest = record
    phases, (status, outcome, code, kept, tries, method, request_id, run, path) = rest[: len(Phase)], rest[len(Phase) :]
    return {
        "seq": sequence,
        "request_id": _text(request_id) or part.id_of(sequence),
        "run": _text(run) or None,
        "method": _text(method),
        "path": _text(path),
        "status": status or None,
        "outcome": Cell(outcome).name.lower(),
        "code": codes[code - 1] if code else None,
        "worker": part.worker,
        "started_at": datetime.fromtimestamp(started_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
        "total_ms": total_ns / 1e6,
        "phases_ms": {name: spent / 1e6 if spent >= 0 else None for name, spent in zip(NAMES, phases, strict=True)},
        "kept": bool(kept),
        "tries": tries,
    }


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode("latin-1")
