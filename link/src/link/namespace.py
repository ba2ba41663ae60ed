"""The interface to the kernel: what this host supports, and setting up the network namespace. Needs privileges."""

import fcntl
import os
import stat
import struct
import subprocess
from pathlib import Path

from link import routes
from link.engine_selection import HostSupport
from link.privileges import missing, own_capabilities
from service_kit.exits import UnavailableError

TUN = Path("/dev/net/tun")
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
TUN_MAJOR, TUN_MINOR = 10, 200
NAMED = Path("/run/netns")
NET = Path("/sys/class/net")
IPV4 = Path("/proc/sys/net/ipv4")


class SetUpError(UnavailableError):
    """The kernel refused something; the message is the command and the first line of its error output."""


def look() -> HostSupport:
    """Return what this process may do here. Tries a TUN device and removes it again."""
    if not owns_namespace():
        return HostSupport(own_namespace=False)
    lacking = missing(own_capabilities())
    return HostSupport(
        own_namespace=True,
        no_tun=lacking or _no_tun(),
        no_forwarding=_no_forwarding(),
        no_redirect=lacking or fails(["iptables", "-w", "2", "-t", "nat", "-S", "PREROUTING"]),
    )


def is_container() -> bool:
    """Return whether this is process 1 of a container, rather than one started on a machine."""
    return os.getpid() == 1


def owns_namespace() -> bool:
    """Return whether the network namespace is the link's: that of a container, or one made for it."""
    if is_container():
        return True
    mine = _inode(Path("/proc/self/ns/net"))
    machine = _inode(Path("/proc/1/ns/net"))  # not readable for every user, nor for every root
    named = [_inode(path) for path in NAMED.glob("*")]
    return mine is not None and (mine in named or machine not in {None, mine})


def open_tun() -> int:
    """Return a non-blocking descriptor of the device; creates the node in /dev where a container has none."""
    if not TUN.exists():
        TUN.parent.mkdir(mode=0o755, exist_ok=True)
        os.mknod(TUN, 0o600 | stat.S_IFCHR, os.makedev(TUN_MAJOR, TUN_MINOR))
    descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", routes.DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def clear(port: int, relay_port: int) -> None:
    """Remove what an earlier link left in this namespace, whatever engine it had."""
    if batch := routes.clear(routes.preferences(run(["ip", "rule", "show"]))):
        _ip(batch)
    while fails(routes.redirection("-C", port, relay_port)) is None:
        run(routes.redirection("-D", port, relay_port))


def route_through_tun(port: int, probe_port: int, *, incoming: bool) -> None:
    """Route the replies of `port` and of `probe_port` into the device; with `incoming` the requests to `port` too.

    IPv4 only: the upstream must not be reachable by IPv6, which is not routed here.
    """
    present = interfaces()
    mtu = min((int(_read(NET / name / "mtu")) for name in present), default=1500)
    cubic = "cubic" in _read(IPV4 / "tcp_available_congestion_control").split()
    _ip(routes.device(mtu, cubic=cubic))
    _ip(routes.rules(port, probe_port, interfaces=present if incoming else []))


def redirect_to_relay(port: int, relay_port: int) -> None:
    run(routes.redirection("-A", port, relay_port))


def _no_tun() -> str | None:
    for name in interfaces():
        filters = [_read(IPV4 / "conf" / each / "rp_filter") or "0" for each in ("all", name)]
        if max(filters) == "1":
            return "strict reverse path filter (rp_filter=1), which drops packets whose replies leave through tun"
    try:
        os.close(open_tun())
    except OSError as error:
        return f"{TUN}: {error.strerror}"
    return fails(["ip", "rule", "show"])


def _no_forwarding() -> str | None:
    # A packet that early demultiplexing has assigned to a socket is not forwarded, so not routed to the device.
    for name, value in (("ip_forward", "1"), ("ip_early_demux", "0")):
        if _read(IPV4 / name) != value:
            return f"routing requests through the link needs the sysctl net.ipv4.{name}={value}"
    return None


def interfaces() -> list[str]:
    """Return the interfaces but the loopback and the tun engine's own device."""
    return sorted(path.name for path in NET.iterdir() if path.name not in {"lo", routes.DEVICE})


def _ip(batch: str) -> None:
    run(["ip", "-batch", "-"], batch)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def run(command: list[str], text: str = "") -> str:
    """Run a command with `text` as its input; return its output. Raises SetUpError if it fails."""
    # The lock's usual place, /run, is not writable in a container with a read-only root.
    environment = os.environ | {"XTABLES_LOCKFILE": "/tmp/xtables.lock"}
    try:
        done = subprocess.run(
            command, input=text, text=True, capture_output=True, env=environment, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetUpError(f"{command[0]}: {error}") from error
    if done.returncode:
        stderr = done.stderr.strip().splitlines()
        reason = stderr[0] if stderr else f"exit {done.returncode}"
        raise SetUpError(f"{' '.join(command)}: {reason}")
    return done.stdout


def fails(command: list[str]) -> str | None:
    """Run a command; return the reason if it fails, else None."""
    try:
        run(command)
    except SetUpError as error:
        return str(error)
    return None
