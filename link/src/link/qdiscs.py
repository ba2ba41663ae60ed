"""The edge to tc: tries whether the kernel has netem, sets it up, takes it away. Needs privileges, but for the look."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from link import netem
from link.command import SetUpError, fails, run
from link.model import Conditions


def no_netem() -> str | None:
    """Return why the kernel cannot delay packets by itself; tried, since no version or file says it for certain."""
    try:
        _tc(netem.trial())
    except SetUpError as error:
        fails(["tc", "qdisc", "del", "dev", "lo", "root"])
        return f'tc says "{error.said}"'
    return None


def no_ifb(interfaces: Sequence[str]) -> str | None:
    """Return why it cannot do so with packets that arrive."""
    if netem.IFB in interfaces:
        return None
    if reason := fails(["ip", "link", "add", netem.IFB, "type", "ifb"]):
        return f"nothing can happen to requests without an IFB device ({reason})"
    return fails(["ip", "link", "del", netem.IFB])


def shape(conditions: Conditions, port: int, interfaces: Sequence[str]) -> None:
    """Set up netem for the replies of `port` on every interface. Raises SetUpError where the kernel refuses."""
    if not interfaces:
        raise SetUpError("tc", "no interface but the loopback is up")
    if links := netem.links(conditions, interfaces):
        run(["ip", "-batch", "-"], links)
    for name in interfaces:
        _tc(netem.commands(conditions, name, port))


def clear(interfaces: Sequence[str]) -> None:
    """Remove what an earlier link left."""
    if not shutil.which("tc"):
        return
    traffic, links = netem.clear(listing(), interfaces)
    if traffic:
        _tc(traffic)
    if links:
        run(["ip", "-batch", "-"], links)


def listing() -> str:
    """Return all qdiscs with their counters as JSON; needs no privilege."""
    return run(["tc", "-s", "-j", "qdisc", "show"])


def _tc(batch: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, f"{netem.DISTRIBUTION}.dist").write_text(netem.distribution())
        run(["tc", "-batch", "-"], batch, TC_LIB_DIR=directory)
