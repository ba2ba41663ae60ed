"""The capabilities of this process, and dropping them."""

import os
from pathlib import Path

UID = 10003
"""User and group of the running link; numeric, since no image has a name for them."""

NET_ADMIN = 12
NET_RAW = 13


def capabilities(status: str) -> int:
    """Return the effective capabilities, as bits, from the text of /proc/<pid>/status."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def own_capabilities() -> int:
    """Return this process's effective capabilities; 0 where there is no /proc."""
    try:
        return capabilities(Path("/proc/self/status").read_text())
    except OSError:
        return 0


def missing(bits: int) -> str | None:
    """Return which capabilities for routes and raw packets are missing, in words; None if none is."""
    names = [name for bit, name in ((NET_ADMIN, "NET_ADMIN"), (NET_RAW, "NET_RAW")) if not bits >> bit & 1]
    return f"no capability {' and '.join(names)}" if names else None


def drop() -> bool:
    """Change from uid 0 to UID, which drops every capability for good; return whether the uid was 0.

    Call it before any other thread starts. What is open stays open; nothing privileged can be opened any more.
    """
    if os.geteuid() != 0:
        return False
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    if own_capabilities():
        raise PermissionError("capabilities survived the change of user")
    return True
