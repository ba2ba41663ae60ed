"""What the kernel counts for this process and its machine; None, or nothing, where it does not."""

import errno
import os
import resource
from pathlib import Path
from typing import NamedTuple

_OWN = Path("/proc/self")
_CGROUP = Path("/sys/fs/cgroup")


def open_descriptors() -> int:
    """Return how many descriptors this process has open; 0 where the system does not report it."""
    try:
        return sum(1 for _ in (_OWN / "fd").iterdir()) - 1  # one is of this listing
    except OSError as error:
        return descriptor_limit() if error.errno == errno.EMFILE else 0


def descriptor_limit() -> int:
    """Return how many it may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def listen_overflows(netstat: Path = _OWN / "net/netstat") -> int | None:
    """Return how many connections found the backlog of their listening socket full, in this network namespace.

    Source: TcpExtListenOverflows, Documentation/networking/snmp_counter.rst of Linux.
    """
    try:
        lines = [line.split() for line in netstat.read_text().splitlines() if line.startswith("TcpExt:")]
        return int(dict(zip(*lines, strict=True))["ListenOverflows"])
    except (OSError, KeyError, ValueError, TypeError):
        return None


def throttled_seconds(*cgroups: Path) -> float | None:
    """Return how long the CPU limit of this process's cgroup has held it back: cpu.stat, of version 2 or 1.

    Of these folders the first that has it.
    """
    for folder in cgroups or _own_cgroups():
        try:
            stat = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
            return int(stat["throttled_usec"]) / 1e6 if "throttled_usec" in stat else int(stat["throttled_time"]) / 1e9
        except (OSError, KeyError, ValueError):
            continue
    return None


class HostCpu(NamedTuple):
    """Seconds of all the machine's cores since it was started: busy, taken by its host (steal), and in all."""

    busy_seconds: float
    stolen_seconds: float
    seconds: float


def host_cpu(stat: Path = Path("/proc/stat")) -> HostCpu | None:
    try:
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, stat.read_text().split()[1:9])
    except (OSError, ValueError):
        return None
    hertz = os.sysconf("SC_CLK_TCK")
    busy = user + nice + system + irq + softirq
    return HostCpu(busy / hertz, steal / hertz, (busy + steal + idle + iowait) / hertz)


def figures() -> dict[str, int | float | None]:
    """Return this process's part of a `/-/stats`."""
    return {
        "descriptors": open_descriptors(),
        "descriptor_limit": descriptor_limit(),
        "listen_overflows": listen_overflows(),
        "throttled_seconds": throttled_seconds(),
    }


def _own_cgroups() -> list[Path]:
    """Return where its cgroup may be: below its path, or at the root of what a container sees."""
    try:
        lines = [line.split(":", 2) for line in (_OWN / "cgroup").read_text().splitlines()]
    except (OSError, ValueError):
        return [_CGROUP]
    mounts = [(_CGROUP / controllers, path) for _, controllers, path in lines if "cpu" in controllers.split(",")]
    mounts += [(_CGROUP, path) for _, controllers, path in lines if not controllers]
    return [folder for mount, path in mounts for folder in (mount / path.lstrip("/"), mount)] or [_CGROUP]
