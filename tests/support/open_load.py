"""An open load from a process of its own: requests leave at given times, whatever became of those before.

`python open_load.py PORT CONNECTIONS` reads the times in seconds, JSON, from stdin; prints what came of each.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import cast

import uvloop

_REQUEST = b"GET /work HTTP/1.1\r\nhost: mock\r\n\r\n"


@dataclass
class Asked:
    """One request: when it left, how long it took by the client's clock, and what Server-Timing said of it."""

    sent_seconds: float
    status: int
    took_ms: float
    queue_ms: float
    work_ms: float
    late_ms: float


class Connection(asyncio.Protocol):
    """A kept connection that carries one request at a time."""

    def __init__(self, idle: "deque[Connection]", epoch: float) -> None:
        self._idle = idle
        self._epoch = epoch
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, done: "asyncio.Future[Asked]") -> None:
        """Send a request; the answer resolves the future."""
        self._done = done
        self._sent = time.perf_counter()
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        """Part of an answer, or the end of it."""
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) < int(fields[b"content-length"]):
            return
        took_ms = (time.perf_counter() - self._sent) * 1e3
        self._got = b""
        self._idle.append(self)
        # A short answer, such as a refusal, says nothing of its time.
        parts = fields.get(b"server-timing", b"queue;dur=0, work;dur=0, late;dur=0").decode().split(", ")
        self._done.set_result(Asked(self._sent - self._epoch, int(head[9:12]), took_ms, *map(_milliseconds, parts)))


def _milliseconds(part: str) -> float:
    return float(part.partition("=")[2])


async def _load(port: int, times: list[float], connections: int) -> list[Asked]:
    loop = asyncio.get_running_loop()
    idle: deque[Connection] = deque()
    everybody, epoch = [], time.perf_counter()
    for _ in range(connections):
        transport, connection = await loop.create_connection(lambda: Connection(idle, epoch), "127.0.0.1", port)
        everybody.append(transport)
        idle.append(connection)
    answers = [loop.create_future() for _ in times]
    began = loop.time() + 0.1
    for at, answer in zip(times, answers, strict=True):
        # An empty deque is an error on purpose: a connection opened now would not be an open load's arrival.
        loop.call_at(began + at, lambda answer: idle.popleft().ask(answer), answer)
    asked = await asyncio.gather(*answers)
    for transport in everybody:
        transport.close()
    return asked


def open_load(port: int, times: list[float], connections: int = 200) -> list[Asked]:
    """Run a load in a process of its own; the requests in order of their times."""
    with tempfile.TemporaryFile("w+") as rows:  # a pipe lost what came after its first 128 KiB, now and then
        done = subprocess.run(
            [sys.executable, str(Path(__file__)), str(port), str(connections)],
            input=json.dumps(times),
            stdout=rows,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        rows.seek(0)
        return [Asked(*row) for row in json.load(rows)]


def in_line_for_a_core(pid: int) -> Callable[[], float]:
    """Says how many seconds the process stood in line for a core since this was called (proc(5), schedstat)."""
    file = Path(f"/proc/{pid}/schedstat")
    if not file.exists():
        return lambda: float("inf")
    before = int(file.read_text().split()[1])
    return lambda: (int(file.read_text().split()[1]) - before) / 1e9


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(_load(int(sys.argv[1]), json.load(sys.stdin), int(sys.argv[2])))
    print(json.dumps([astuple(row) for row in rows]))
