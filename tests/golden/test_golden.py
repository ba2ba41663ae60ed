"""What the proxy shows of a scripted run is what it showed before it was taken apart (see `scenario`).

The files were written by the tree of commit 6c81e4c. Fields and lines may have been added since; what is there no more,
or is another, is named in CHANGED.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.servers import environment

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent

CHANGED = {
    "schema_version": "2: the account of a run",
    "verdict": "by rules over the account, its advice as data",
    "histogram": "finer buckets, so that a quantile is within 1 %",
    "upstream": "its queue is a phase of its own",
    "offered_rps": "a closed load offers no rate",
    "achieved_rps": "the same as rps of totals",
}
"""Fields that are others now, and why."""

RENAMED = {"says": "message", "unheard": "missing"}
"""Keys of the audit by what they are now."""

CHANGED_LINES = re.compile(r'_bucket\{|phase="upstream"|^(# HELP )?http_client_')
"""Metrics that are others now, for the same reasons; those of the client carry server.address and server.port."""


def shown(script: str, argument: str) -> Any:
    """Return what a script of this folder prints."""
    command = [sys.executable, str(HERE / script), argument]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def golden(name: str) -> Any:
    return json.loads((HERE / f"{name}.json").read_text())


def missing(found: Any, expected: Any, at: str = "") -> list[str]:
    """Return where something of `expected` is not in `found`."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            place
            for key, value in expected.items()
            if key not in CHANGED
            for name in [RENAMED.get(key, key)]
            for place in ([f"{at}.{name}"] if name not in found else missing(found[name], value, f"{at}.{name}"))
        ]
    if isinstance(expected, list) and isinstance(found, list) and all(isinstance(line, str) for line in expected):
        return [f"{at}: {line}" for line in expected if line not in found and not CHANGED_LINES.search(line)]
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        pairs = enumerate(zip(found, expected, strict=True))
        return [place for index, (new, old) in pairs for place in missing(new, old, f"{at}[{index}]")]
    return [] if found == expected else [f"{at}: {found!r} instead of {expected!r}"]


@pytest.mark.parametrize("client", ["httpx", "aiohttp"])
def test_the_proxy_shows_what_it_did(client: str) -> None:
    expected, found = golden("proxy"), shown("scenario.py", client)
    assert list(found) == list(expected)
    assert missing(found, expected) == []


def test_a_run_document_says_what_it_did() -> None:
    assert missing(shown("run.py", str(HERE / "proxy.json")), golden("run")) == []
