"""What is said of a service: its state, what it waits for, how it ended."""

import json
from collections.abc import Mapping
from typing import Any

from lab.backends.processes.service_process import Child


def obituary(child: Child) -> str:
    """Return what is said of a service that ended by itself: its name, how, and its last lines."""
    code = child.exit_code or 0
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    last = "".join(f"\n  {line}" for line in child.tail)
    return f"{child.spec.name} {how}" + (f"; its last lines:{last}" if last else "; it said nothing")


def state(child: Child) -> str:
    """Return dead, stopping, ready or starting."""
    if child.exit_code is not None:
        return "dead"
    if child.stopping:
        return "stopping"
    return "ready" if child.ready else "starting"


def waited_for(status: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the services of such a status are waited for, "" if for none."""
    reasons = [
        f"{name} ({one['because']})" if one["state"] == "starting" else f"{name} to end"
        for name, one in status.items()
        if one["state"] in ("starting", "stopping")
    ]
    return f"waiting for {', '.join(reasons)}" if reasons else ""


def reason(body: bytes) -> str:
    """Return what a /-/ready says of why it is not, "" if it says nothing."""
    try:
        return str(json.loads(body)["because"])
    except (ValueError, KeyError, TypeError):
        return ""
