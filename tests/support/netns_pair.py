"""Two network namespaces joined by a veth pair: an upstream and a link in one, clients in the other. Needs root."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PORT = 8001
CLONE_NEWNET = 0x40000000
PROBE = re.compile(r"50:.* sport ")
"""The rule for the link's own measurement, whose port is another one each time."""

SYSCTLS = (("ip_forward", "1"), ("ip_early_demux", "0"), ("conf/eth0/rp_filter", "0"))
"""What Compose sets in the link's container."""

UPSTREAM = """
import asyncio, socket
async def serve(reader, writer):
    try:
        while line := await reader.readline():
            taken, size = map(int, line.split())
            await reader.readexactly(taken)
            writer.write(b"x" * size)
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    writer.close()
async def main():
    listener = socket.create_server(("0.0.0.0", 8001), backlog=1024)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    server = await asyncio.start_server(serve, sock=listener)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
"""Takes lines of two numbers: so many bytes follow, and so many are the answer."""


def cannot() -> str | None:
    """Return why network namespaces cannot be used here; None if they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    if not shutil.which("ip") or not shutil.which("iptables"):
        return "needs iproute2 and iptables"
    return None


class NetnsPair:
    """One pair; `number` tells several of one process apart."""

    def __init__(self, number: int = 0) -> None:
        self.far, self.near = (f"lab{side}{os.getpid()}-{number}" for side in "fn")
        self.address = (f"10.204.{number}.1", PORT)
        self._started: list[subprocess.Popen[str]] = []
        for name in (self.far, self.near):
            self.ip("netns", "add", name)
            self.ip("-n", name, "link", "set", "lo", "up")
        self.ip("link", "add", "eth0", "netns", self.far, "type", "veth", "peer", "name", "eth0", "netns", self.near)
        for name, host in ((self.far, 1), (self.near, 2)):
            self.ip("-n", name, "address", "add", f"10.204.{number}.{host}/24", "dev", "eth0")
            self.ip("-n", name, "link", "set", "eth0", "up")
        for name, value in SYSCTLS:
            self.inside(self.far, partial(Path(f"/proc/sys/net/ipv4/{name}").write_text, value))

    def ip(self, *arguments: str) -> str:
        """Run ip; return its output."""
        return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start Python in the far namespace with just these variables."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.far, sys.executable, *command],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), **variables},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def upstream(self) -> None:
        """Start the upstream; return when it listens."""
        process = self.start("-c", UPSTREAM)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    def link(self, **variables: str) -> tuple[subprocess.Popen[str], str]:
        """Start a link; return it and its first line, which it prints once it has measured itself."""
        process = self.start("-m", "link", NET_HOST="0.0.0.0", **variables)
        assert process.stdout
        return process, process.stdout.readline()

    def stop(self, process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
        """End a process; return its exit code."""
        process.send_signal(number)
        code = process.wait(10)
        if process.stdout:
            process.stdout.close()
        self._started.remove(process)
        return code

    def inside(self, name: str, work: Callable[[], T]) -> T:
        """Run a function in a namespace, in a thread of its own."""
        with ThreadPoolExecutor(1, initializer=lambda: enter(name)) as pool:
            return pool.submit(work).result()

    def ask(self, *sizes: int, upload: int = 0, rest: float = 0.0) -> list[float]:
        """Return the seconds connect() and then each request took, from the near namespace."""
        return self.inside(self.near, lambda: ask(self.address, *sizes, upload=upload, rest=rest))

    def asks(self, times: int, *sizes: int, rest: float = 0.0, at_once: int = 5) -> list[list[float]]:
        """Return what `ask` does for so many connections, of which some are there at one time."""
        with ThreadPoolExecutor(at_once, initializer=lambda: enter(self.near)) as pool:
            return list(pool.map(lambda _: ask(self.address, *sizes, rest=rest), range(times)))

    def control(self, path: str) -> Any:
        """Return what the link's control port answers, asked inside its own namespace."""
        url = f"http://127.0.0.1:8092/-/{path}"
        return self.inside(self.far, lambda: json.load(urllib.request.urlopen(url, timeout=30)))

    def put(self, **asked: object) -> Any:
        """Change the link's conditions by its control port; return what it answers."""
        body = json.dumps(asked).encode()
        request = urllib.request.Request("http://127.0.0.1:8092/-/config", body, method="PUT")
        return self.inside(self.far, lambda: json.load(urllib.request.urlopen(request, timeout=30)))

    def rules(self) -> str:
        """Return the far namespace's routing rules, without the link's own probe's, and redirections."""
        lines = [line for line in self.ip("-n", self.far, "rule").splitlines() if not PROBE.match(line)]
        listing = ["iptables", "-t", "nat", "-S", "PREROUTING"]
        nat = self.inside(self.far, lambda: subprocess.check_output(listing, text=True))
        return "\n".join(lines) + "\n" + nat

    def close(self) -> None:
        """End what was started and remove the namespaces."""
        for process in list(self._started):
            with suppress(OSError):
                self.stop(process, signal.SIGKILL)
        for name in (self.far, self.near):
            self.ip("netns", "del", name)


def enter(name: str) -> None:
    """Take the calling thread, and what it will start, into a namespace."""
    with Path(f"/run/netns/{name}").open() as namespace:
        assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0


def ask(address: tuple[str, int], *sizes: int, upload: int = 0, rest: float = 0.0) -> list[float]:
    """Return the seconds connect() and then each request on the same connection took; `rest` comes before a later one.

    A request carries `upload` bytes, its answer has the size that is its turn.
    """
    taken = []
    begin = time.perf_counter()
    with socket.create_connection(address, timeout=30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        taken.append(time.perf_counter() - begin)
        for number, size in enumerate(sizes):
            if number:
                time.sleep(rest)
            begin = time.perf_counter()
            client.sendall(b"%d %d\n" % (upload, size) + bytes(upload))
            got = 0
            while got < size:
                got += len(client.recv(1 << 18))
            taken.append(time.perf_counter() - begin)
    return taken
