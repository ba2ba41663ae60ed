"""What this process may do, and giving it up."""

import os
from pathlib import Path

UID = 10003
"""User and group of the link once it stands; numeric, since no image knows it by name."""

NET_ADMIN = 12
NET_RAW = 13


def capabilities(status: str) -> int:
    """Return the effective capabilities, as bits, from the text of /proc/<pid>/status."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def own_capabilities() -> int:
    """Return this process's effective capabilities; none where there is no /proc."""
    try:
        return capabilities(Path("/proc/self/status").read_text())
    except OSError:
        return 0


def missing(bits: int) -> str | None:
    """Return which capability the link lacks for touching routes and sending raw packets, in words."""
    names = [name for bit, name in ((NET_ADMIN, "NET_ADMIN"), (NET_RAW, "NET_RAW")) if not bits >> bit & 1]
    return f"no capability {' and '.join(names)}" if names else None


def drop() -> bool:
    """Give up uid 0 and with it every capability, for good; return whether there was anything to give up.

    Must come before any other thread starts to serve: what is open stays open, nothing more can be opened.
    """
    if os.geteuid() != 0:
        return False
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    if own_capabilities():
        raise PermissionError("capabilities survived the change of user")
    return True
