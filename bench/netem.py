"""Proves the netem engine in a virtual machine, for a kernel that has no netem: configured beside measured.

Boots Debian's kernel in QEMU without hardware virtualisation, with this machine's own root file system read-only, and
starts the link there between two network namespaces. Downloads the packages of that kernel and of busybox with
`apt-get download` into --packages (70 MB, kept there for the next time). Takes two to three minutes; nothing of this
machine's own network is touched. Needs root, qemu-system-x86 and cpio (Debian: apt install). Exit 1: something is off.
"""

import argparse
import base64
import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "link/src"), str(ROOT / "tests")]

from link import netem, qdiscs  # noqa: E402
from link.command import run  # noqa: E402
from link.model import Conditions  # noqa: E402
from support.laboratory import PORT, Laboratory, ask, enter  # noqa: E402

MODULES = (
    *("crc32c_generic", "virtio_pci", "9pnet_virtio", "9p", "veth", "tun", "ifb", "sch_netem", "sch_prio", "cls_u32"),
    *("sch_ingress", "act_mirred", "nft_compat", "nft_chain_nat", "xt_REDIRECT", "xt_tcpudp"),
)
"""What the guest needs: its root file system, and what a usual kernel loads by itself when tc and ip ask for it."""

SLOW = 0.012
"""Seconds that a trip may take longer than configured: an emulated processor has its time from a shared one."""

TIME_LIMIT = 600

INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod /mod/$module.ko; done < /mod/order
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /host
$b mount -t proc proc /host/proc
$b mount -t sysfs sys /host/sys
$b mount -t devtmpfs dev /host/dev
$b mount --bind /host /host/mnt
for each in tmp run; do $b mount -t tmpfs tmpfs /host/$each; done
command=$($b sed -n 's/.*run=\\([^ ]*\\).*/\\1/p' /proc/cmdline | $b base64 -d)
$b chroot /host /bin/sh -c "$command"
echo "exit code $?"
$b poweroff -f
"""


def main() -> int:
    """Boot and measure there, or measure here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kept = Path(tempfile.gettempdir(), "pool-sandbox-kernel")
    parser.add_argument("--packages", type=Path, default=kept, help="directory for the downloaded packages")
    parser.add_argument("--here", action="store_true", help="no virtual machine: this kernel has netem (needs root)")
    arguments = parser.parse_args()
    if arguments.here:
        return measure()
    missing = [tool for tool in ("qemu-system-x86_64", "cpio", "apt-get", "dpkg-deb", "tc") if not shutil.which(tool)]
    if missing:
        print(f"not here: {', '.join(missing)} (Debian: apt install qemu-system-x86 cpio iproute2)", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as work:
        kernel, initrd = prepare(arguments.packages.resolve(), Path(work))
        return boot(kernel, initrd)


# Outside: a kernel, what it loads, and the machine.


def download(packages: Path, work: Path) -> None:
    """Fetch Debian's current kernel and busybox unless they are there, and unpack them."""
    packages.mkdir(parents=True, exist_ok=True)
    depends = subprocess.check_output(["apt-cache", "depends", "linux-image-amd64"], text=True)
    newest = next(line.split()[1] for line in depends.splitlines() if "Depends: linux-image-" in line)
    for name in (newest, "busybox-static"):
        if not list(packages.glob(f"{name}_*.deb")):
            print(f"downloading {name}", flush=True)
            command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", name]
            subprocess.run(command, cwd=packages, check=True)
        subprocess.run(["dpkg-deb", "-x", next(packages.glob(f"{name}_*.deb")), work / "all"], check=True)


def prepare(packages: Path, work: Path) -> tuple[Path, Path]:
    """Return the kernel and an initial file system that mounts this machine's root."""
    download(packages, work)
    first = work / "first"
    for name in ("bin", "mod", "proc", "dev", "host"):
        (first / name).mkdir(parents=True)
    shutil.copy(work / "all/bin/busybox", first / "bin")
    order = with_dependencies(work / "all/lib/modules")
    for path in order:
        shutil.copy(path, first / "mod" / path.name)
    (first / "mod/order").write_text("".join(f"{path.stem}\n" for path in order))
    (first / "init").write_text(INIT)
    (first / "init").chmod(0o755)
    packed = subprocess.run("find . | cpio -o -H newc --quiet | gzip -1", shell=True, cwd=first, capture_output=True)
    (work / "initrd").write_bytes(packed.stdout)
    return next((work / "all/boot").glob("vmlinuz-*")), work / "initrd"


def with_dependencies(modules: Path) -> list[Path]:
    """Return the modules' files, each after those it depends on by its own words."""
    files = {path.stem.replace("-", "_"): path for path in modules.rglob("*.ko")}
    order: list[Path] = []

    def add(name: str) -> None:
        path = files[name.replace("-", "_")]
        if path in order:
            return
        found = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for other in found[1].decode().split(",") if found and found[1] else ():
            add(other)
        order.append(path)

    for name in MODULES:
        add(name)
    return order


def boot(kernel: Path, initrd: Path) -> int:
    """Boot and run this file inside; show what it says, return its exit code."""
    program = f"exec /mnt{sys.executable} -B /mnt{Path(__file__).resolve()} --here"
    command = base64.b64encode(f"PATH={os.environ['PATH']}; export PATH; {program}".encode()).decode()
    machine = ["qemu-system-x86_64", "-accel", "tcg", "-m", "1024", "-nographic", "-nic", "none", "-no-reboot"]
    share = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    said = f"console=ttyS0 quiet panic=-1 run={command}"
    guest = subprocess.Popen(
        [*machine, "-kernel", kernel, "-initrd", initrd, "-virtfs", share, "-append", said],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    limit = threading.Timer(TIME_LIMIT, guest.kill)
    limit.start()
    code = 3
    try:
        assert guest.stdout
        for line in guest.stdout:
            if found := re.match(r"exit code (\d+)", line):
                code = int(found[1])
            elif not re.search(r"SeaBIOS|Booting|Power down|\x1b", line):
                print(line.rstrip(), flush=True)
    finally:
        limit.cancel()
        guest.kill()
        guest.wait()
    return code


# Inside: the link as it always runs, and what its clients see.


@dataclass
class Findings:
    """What was measured, beside what was configured."""

    off: list[str] = field(default_factory=list)

    def hold(self, what: str, configured: str, measured: str, *, fine: bool) -> None:
        """Print one comparison and keep it if it is off."""
        print(f"  {what:38} {configured:>22} {measured:>22}  {'' if fine else 'OFF'}", flush=True)
        if not fine:
            self.off.append(what)

    def trips(self, what: str, rtt: float, times: int, taken: list[float], most: int = 0) -> None:
        """Hold a median against so many round trips, or so many to `most`: never below, and above by SLOW a trip."""
        middle, most = statistics.median(taken), most or times
        fine = min(taken) >= times * rtt and middle <= most * (rtt + SLOW)
        configured = f"{1e3 * times * rtt:.0f}{f' to {1e3 * most * rtt:.0f}' if most > times else ''} ms"
        self.hold(what, configured, f"{1e3 * middle:.1f} ms", fine=fine)

    def between(self, what: str, low: float, value: float, high: float, unit: str) -> None:
        """Hold a value against two bounds."""
        self.hold(what, f"{low:.3g} to {high:.3g} {unit}", f"{value:.3g} {unit}", fine=low <= value <= high)


def measure() -> int:
    """Start links in this machine and time what goes through them; 1 if something is off."""
    print(f"Linux {os.uname().release} on an emulated processor; a trip may take {1e3 * SLOW:.0f} ms more", flush=True)
    found = Findings()
    print(f"  {'':38} {'configured':>22} {'measured':>22}")
    for each in (round_trips, order, bandwidth, loss, successor):
        each(found)
    print(f"off: {', '.join(found.off)}" if found.off else "everything is as configured")
    return 1 if found.off else 0


@contextlib.contextmanager
def linked(**variables: str) -> Iterator[Laboratory]:
    """Give two namespaces with an upstream, and a link that says which engine it took."""
    made = Laboratory()
    try:
        made.upstream()
        asked = ", ".join(f"{name}={value}" for name, value in variables.items())
        print(f"\n{asked}\n  {made.link(**variables)[1].strip()}", flush=True)
        yield made
    finally:
        made.close()


def round_trips(found: Findings) -> None:
    """Handshake, requests, slow start, idling, the loopback."""
    rtt = 0.06
    with linked(NET_RTT_MS="60") as lab:
        config = lab.control("config")
        found.hold("the engine", "netem", config["engine"], fine=config["engine"] == "netem")
        probe = config["measured"]["connect_ms"]["p50"]
        found.between("the link's own probe", 60, probe, 1e3 * (rtt + SLOW), "ms")
        # Of 100 kB cubic may send the last after one round more: HyStart ends slow start when round trips get longer.
        for size, first, most in ((100, 1, 1), (30_000, 2, 2), (100_000, 3, 4)):
            rows = [lab.ask(size, size) for _ in range(7)]
            connect, fresh, warm = (list(column) for column in zip(*rows, strict=True))
            found.trips(f"{size} bytes: connect()", rtt, 1, connect)
            found.trips(f"{size} bytes: first request", rtt, first, fresh, most)
            found.trips(f"{size} bytes: later request", rtt, 1, warm, most - first + 1)
        rested = [lab.ask(100_000, 100_000, rest=1.0)[2] for _ in range(3)]
        found.trips("100000 bytes after a second's rest", rtt, 3, rested, 4)


def order(found: Findings) -> None:
    """Jitter: never below the round trip, half a normal distribution above, and no packet overtakes another."""
    with linked(NET_RTT_MS="60", NET_JITTER_MS="20") as lab:
        taken = sorted(time for _ in range(4) for time in lab.ask(*[100] * 30)[1:])
        found.between("shortest of 120 requests", 60, 1e3 * taken[0], 75, "ms")
        found.between("their median", 60 + 20 * 0.674 - 4, 1e3 * statistics.median(taken), 60 + 20 * 0.674 + 12, "ms")
        lab.ask(300_000)
        before = reordered(lab)
        found.between("reordered packets that TCP saw", 0, before, 0, "")
        for line in ("parent 7a:1 handle 7c: netem delay 60ms 20ms limit 1000", "parent 7c:1 pfifo limit 1000"):
            lab.inside(lab.far, lambda line=line: run(["tc", "qdisc", "replace", "dev", "eth0", *line.split()]))
        lab.ask(300_000)
        found.between("the same with pfifo and without rate", 1, reordered(lab) - before, 1e6, "")


def reordered(lab: Laboratory) -> int:
    """Return how often the upstream's TCP saw that packets had overtaken others."""

    def read() -> str:
        return Path("/proc/thread-self/net/netstat").read_text()

    names, values = (line.split() for line in lab.inside(lab.far, read).splitlines()[:2])
    return int(values[names.index("TCPSACKReorder")])


def bandwidth(found: Findings) -> None:
    """A megabyte each way, through a pipe of 8 and of 16 Mbit/s."""
    with linked(NET_RTT_MS="10", NET_BW_DOWN_MBIT="8", NET_BW_UP_MBIT="16") as lab:
        size = 1 << 20
        down, up = size / lab.ask(size)[1], size / lab.ask(1, upload=size)[1]
        found.between("down", 6, 8e-6 * down, 8, "Mbit/s")
        found.between("up", 12, 8e-6 * up, 16, "Mbit/s")


def loss(found: Findings) -> None:
    """Each way, by the kernel's own count and by what connect() takes: a lost SYN costs a second."""
    share, tries = 0.05, 400
    with linked() as lab:
        print(f"  the engine's commands for a round trip of 20 ms and a loss of {share:.0%} each way")
        conditions = Conditions(rtt=0.02, loss=share)
        lab.inside(lab.far, lambda: qdiscs.shape(conditions, PORT, ["eth0"]))

        def connects() -> list[float]:
            with ThreadPoolExecutor(20, initializer=lambda: enter(lab.near)) as pool:
                return [times[0] for times in pool.map(lambda _: ask(lab.address), range(tries))]

        slow = sum(time > 1.0 for time in connects())
        either = 1 - (1 - share) ** 2
        spread = 3 * (either * (1 - either) / tries) ** 0.5
        found.between(
            "connect() of over a second", 100 * (either - spread), 100 * slow / tries, 100 * (either + spread), "%"
        )
        counted = lab.inside(lab.far, lambda: netem.counters(qdiscs.listing()))
        sent = counted["carried"] + counted["dropped"]
        spread = 3 * (share * (1 - share) / sent) ** 0.5
        dropped = 100 * counted["dropped"] / sent
        found.between(f"dropped of {sent} packets", 100 * (share - spread), dropped, 100 * (share + spread), "%")


def successor(found: Findings) -> None:
    """A link that is killed goes on delaying; the next one sets up its own, and off leaves nothing."""
    with linked(NET_RTT_MS="60") as lab:
        lab.stop(lab._started[-1], signal.SIGKILL)
        found.trips("after kill -9: connect()", 0.06, 1, [lab.ask(1)[0] for _ in range(5)])
        process, _ = lab.link(NET_RTT_MS="30", NET_BW_UP_MBIT="100")
        found.trips("the next link: connect()", 0.03, 1, [lab.ask(1)[0] for _ in range(5)])
        lab.stop(process)
        lab.link()
        middle = statistics.median(lab.ask(1)[0] for _ in range(5))
        found.between("the one after, off: connect()", 0, 1e3 * middle, 15, "ms")
        left = lab.inside(lab.far, qdiscs.listing) + lab.ip("-n", lab.far, "link")
        marks = [mark for mark in ("netem", "ingress", netem.HANDLE, netem.IFB) if mark in left]
        found.hold("qdiscs and devices that are left", "none", ", ".join(marks) or "none", fine=not marks)


if __name__ == "__main__":
    sys.exit(main())
