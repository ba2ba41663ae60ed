"""Commands for the link's network namespace: rules that route the upstream's packets through the TUN device, or a
redirection of connections to the relay. Pure texts; `namespace` runs them.

The `local` table usually comes before any other rule. It moves behind ours, so that packets of this host to itself can
be routed too and the link can measure itself on an address of its own. Re-injected packets carry a mark and take the
usual way.
"""

from collections.abc import Sequence

DEVICE = "nem0"
MARK = 0x7A
TABLE = 100
PROBE_ADDRESS = "192.0.2.1"
"""An address of the device, from the range for documentation (RFC 5737), which no network uses."""

MARKED_LOCAL, MARKED_MAIN, THROUGH, LOCAL, REPLIES = 40, 41, 50, 60, 70
"""Preferences of the rules, in the order of their look-up."""

OWN = (MARKED_LOCAL, MARKED_MAIN, THROUGH, LOCAL, REPLIES)


def preferences(listing: str) -> list[int]:
    """Return the preferences in the output of `ip rule show`, in its order and with repetitions."""
    return [int(line.partition(":")[0]) for line in listing.splitlines() if line]


def clear(present: Sequence[int]) -> str:
    """Return the batch that removes what an earlier link left, given the preferences of the present rules.

    A `local` rule is present at any moment: without one the host answers nothing.
    """
    lines = [] if 0 in present else ["rule add pref 0 lookup local"]
    left = [pref for pref in present if pref in OWN]
    lines += [f"rule del pref {pref}" for pref in left]
    if left:
        lines.append(f"route flush table {TABLE}")
    return "".join(f"{line}\n" for line in lines)


def device(mtu: int, *, cubic: bool) -> str:
    """Return the batch that brings the device up and routes into it.

    Replies use cubic where the kernel has it, whatever the host's default, so that slow start and idling are as in the
    documentation. A dead link drops packets instead of letting them through undelayed.
    """
    control = " congctl cubic" if cubic else ""
    return (
        f"link set {DEVICE} mtu {mtu} txqueuelen 10000 up\n"
        f"address replace {PROBE_ADDRESS}/32 dev {DEVICE}\n"
        f"route replace default dev {DEVICE} table {TABLE}{control}\n"
        f"route replace blackhole default metric 999 table {TABLE}\n"
    )


def rules(port: int, probe_port: int, *, interfaces: Sequence[str] = ()) -> str:
    """Return the batch of rules: replies from `port`, and requests to it by `interfaces`, go through the device."""
    incoming = "".join(
        f"rule add pref {THROUGH} iif {name} ipproto tcp dport {port} lookup {TABLE}\n" for name in interfaces
    )
    return (
        f"rule add pref {MARKED_LOCAL} fwmark {MARK} lookup local\n"
        f"rule add pref {MARKED_MAIN} fwmark {MARK} lookup main\n"
        f"rule add pref {THROUGH} iif lo ipproto tcp sport {probe_port} lookup {TABLE}\n"
        f"{incoming}"
        f"rule add pref {LOCAL} lookup local\n"
        f"rule del pref 0\n"
        f"rule add pref {REPLIES} iif lo ipproto tcp sport {port} lookup {TABLE}\n"
    )


def redirection(action: str, port: int, relay_port: int) -> list[str]:
    """Return the iptables command that adds (`-A`), checks (`-C`) or deletes (`-D`) the redirection to the relay.

    Connections over the loopback are excluded: by them the relay itself and health checks reach the upstream.
    """
    match = ["!", "-i", "lo", "-p", "tcp", "--dport", str(port)]
    return [
        "iptables",
        "-w",
        "2",
        "-t",
        "nat",
        action,
        "PREROUTING",
        *match,
        "-j",
        "REDIRECT",
        "--to-ports",
        str(relay_port),
    ]
