"""What the netem engine asks of the kernel, as text for `tc -batch` and `ip -batch`. Pure; run in `namespace`.

On every interface a prio qdisc with two bands, of which only the replies of the upstream's port take the first, where
netem holds them back: the whole round trip on one side, as tc-netem(8) delays what leaves. The loopback, control ports
and ARP are not touched. Bandwidth and loss on the way up need a second device, an IFB, to which requests are redirected
as they arrive: there they leave too.

Two things are not as often written. Jitter reorders packets, and a pfifo child does not prevent it any more (seen with
Linux 6.1: as many out of order as without); with a `rate` netem starts from the packet before, so none is. And netem
counts packets, not bytes: where they are lost or serialised they must be single segments, not bundles of up to 64 kB.
"""

import dataclasses
import json
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

from link.model import Conditions

ABLE = {"rtt", "jitter", "down", "up", "queue", "loss"}
"""Conditions the kernel can make by itself. What is not among them (idle timers, resets, partitions) it cannot."""

HANDLE, CHILD = "7a:", "7b:"
IFB = "nem1"

DISTRIBUTION = "halfnormal"
"""Name of the table below, for which tc looks in the directory TC_LIB_DIR."""

SCALE = 8192
"""What netem takes for one deviation in a table (NETEM_DIST_SCALE)."""

POINTS = 4096
UNLIMITED = 100_000_000_000
"""Bits per second that keep packets in order and cost none of them a microsecond."""

FRAME = 1514
LARGEST_QUEUE = 100_000
"""Packets held where no rate limits them: more than 1 Gbit/s brings in a second. netem's own 1000 would lose some."""

SMALLEST_QUEUE = 10
BUNDLE = 65535
"""Segments that Linux bundles at most (GSO_MAX_SEGS): what an interface has by itself."""

PRIORITIES = " ".join(["1"] * 16)
"""Every priority goes to the second band; only the filter leads to the first."""


def cannot(conditions: Conditions) -> list[str]:
    """Return what of the conditions netem cannot make, in words; a condition it does not know is one of them."""
    usual = type(conditions)()
    names = [each.name for each in dataclasses.fields(conditions) if each.name not in ABLE]
    return [name.replace("_", " ") for name in names if getattr(conditions, name) != getattr(usual, name)]


def limits(conditions: Conditions) -> list[str]:
    """Return what netem does otherwise than a real network, or than the other engines, a sentence each."""
    found = []
    if needs_ifb(conditions):
        found.append("Large uploads are lost, or wait, in bundles of up to 64 kB, as the client sent them.")
    if conditions.loss or conditions.jitter:
        found.append("The kernel draws its random numbers itself: NET_SEED does not repeat them.")
    return found


def needs_ifb(conditions: Conditions) -> bool:
    """Return whether something is to happen to the requests too, on their way up."""
    return conditions.up is not None or conditions.loss > 0


def commands(conditions: Conditions, interface: str, port: int) -> str:
    """Return the batch for tc that shapes what `port` sends by an interface, and what comes to it if need be.

    The interface must be as `clear` leaves it: a netem that is changed keeps what the new words do not mention.
    """
    lines = _bands(interface, port, _netem(conditions, conditions.down, delayed=True))
    if needs_ifb(conditions):
        redirect = f"action mirred egress redirect dev {IFB}"
        lines += [
            f"qdisc replace dev {IFB} root handle {CHILD} {_netem(conditions, conditions.up, delayed=False)}",
            f"qdisc add dev {interface} ingress",
            f"filter add dev {interface} parent ffff: {_match(port, 'dport')} {redirect}",
        ]
    return "".join(f"{line}\n" for line in lines)


def links(conditions: Conditions, interfaces: Sequence[str]) -> str:
    """Return the batch for ip that must come before: the second device, and single segments where they count."""
    lines = [f"link add {IFB} type ifb", f"link set {IFB} up"] if needs_ifb(conditions) else []
    if conditions.loss or conditions.down is not None:
        lines += [f"link set {name} gso_max_segs 1" for name in interfaces]
    return "".join(f"{line}\n" for line in lines)


def trial() -> str:
    """Return the batch for tc that fails where the kernel lacks something of it; on the loopback, for a moment."""
    lines = [*_bands("lo", 0, "netem delay 1us"), f"qdisc del dev lo root handle {HANDLE}"]
    return "".join(f"{line}\n" for line in lines)


def clear(listing: str, interfaces: Sequence[str]) -> tuple[str, str]:
    """Return the batches (tc, ip) that remove what an earlier link left, given the output of `tc -j qdisc show`."""
    ours = [each["dev"] for each in _parsed(listing) if each.get("handle") == HANDLE and each.get("root")]
    shaped = [each["dev"] for each in _parsed(listing) if each.get("kind") == "ingress"] if IFB in interfaces else []
    lines = [f"qdisc del dev {name} root" for name in ours] + [f"qdisc del dev {name} ingress" for name in shaped]
    more = [f"link set {name} gso_max_segs {BUNDLE}" for name in ours if name not in {"lo", IFB}]
    more += [f"link del {IFB}"] if IFB in interfaces else []
    return "".join(f"{line}\n" for line in lines), "".join(f"{line}\n" for line in more)


def counters(listing: str) -> dict[str, int]:
    """Return how many packets and bytes left our netem qdiscs and what they dropped, from `tc -s -j qdisc show`."""
    ours = [each for each in _parsed(listing) if each.get("kind") == "netem" and each.get("handle") == CHILD]
    return {
        said: sum(int(each.get(name, 0)) for each in ours)
        for said, name in (("carried", "packets"), ("dropped", "drops"), ("held", "qlen"), ("bytes", "bytes"))
    }


def distribution() -> str:
    """Return the table of the jitter: half a normal distribution cut at three deviations, never below the round trip.

    Evenly spaced quantiles in units of a deviation over SCALE, one a line, as tc reads them.
    """
    normal = NormalDist()
    shares = ((index + 0.5) / POINTS for index in range(POINTS))
    values = (min(3.0, normal.inv_cdf(0.5 + share / 2)) for share in shares)
    return "".join(f"{round(SCALE * value)}\n" for value in values)


def _bands(interface: str, port: int, netem: str) -> list[str]:
    return [
        f"qdisc replace dev {interface} root handle {HANDLE} prio bands 2 priomap {PRIORITIES}",
        f"qdisc replace dev {interface} parent {HANDLE}1 handle {CHILD} {netem}",
        f"filter add dev {interface} parent {HANDLE} {_match(port, 'sport')} flowid {HANDLE}1",
    ]


def _match(port: int, side: str) -> str:
    return f"protocol ip pref 1 u32 match ip protocol 6 0xff match ip {side} {port} 0xffff"


def _netem(conditions: Conditions, rate: float | None, *, delayed: bool) -> str:
    words = ["netem"]
    if delayed and conditions.rtt:
        words.append(f"delay {_microseconds(conditions.rtt)}")
        if conditions.jitter:
            words.append(f"{_microseconds(conditions.jitter)} distribution {DISTRIBUTION}")
    if rate is not None or (delayed and conditions.jitter):
        words.append(f"rate {UNLIMITED if rate is None else rate:.0f}bit")
    if conditions.loss:
        words.append(f"loss {100 * conditions.loss:g}%")
    return " ".join([*words, f"limit {_limit(conditions, rate, delayed=delayed)}"])


def _limit(conditions: Conditions, rate: float | None, *, delayed: bool) -> int:
    """Return the packets that may be held: those of the queue and, since netem counts them too, those in flight."""
    if rate is None:
        return LARGEST_QUEUE
    seconds = conditions.queue + (conditions.rtt + 3 * conditions.jitter if delayed else 0.0)
    return min(LARGEST_QUEUE, max(SMALLEST_QUEUE, math.ceil(rate * seconds / 8 / FRAME)))


def _microseconds(seconds: float) -> str:
    return f"{1e6 * seconds:.0f}us"


def _parsed(listing: str) -> list[dict[str, Any]]:
    found = json.loads(listing or "[]")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
