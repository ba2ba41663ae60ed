"""What the proxy shows of a scripted run is what it showed before it was taken apart (see `scenario`).

The files were written by the tree of commit 6c81e4c. What differs from them on purpose is named in DIFFERENCES.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.servers import environment

HERE = Path(__file__).parent

DIFFERENCES: dict[str, str] = {}
"""Lines of the golden metrics by what they are now."""

NEW_ERRORS = ("tuned",)
"""Codes of errors that the proxy did not know: a calling pattern is refused while the process is tuned."""

NEW_CODE = "tuned"
"""A pattern's request was refused because the proxy is tuned: one more error to count."""

RENAMED_IN_RUNS = {"says": "message", "unheard": "missing"}
"""Keys of the audit by what they are now."""

NEW_IN_RUNS: dict[str, Any] = {
    "schema_version": 2,
    "notes": [],
    "tuning": [],
    "python": None,
    **dict.fromkeys(("window", "whole", "first_byte_ms", "attribution", "closings", "host")),
    "failures": [],
    "verdict": {
        "bottleneck": "pool",
        "because": "1 of 2 connections are held by requests that are over: their responses were never closed",
        "advice": "Close every response, also where an error or an early return leaves it: `async with "
        "client.stream(...)`, or aclose in a finally. Only a restart brings these connections back: the next ./sandbox "
        "run begins with one.",
    },
}
"""What is new in the run document: the account of the run, what was not understood, what tunes the proxy, the plainer
words of the verdict."""


def shown(script: str, argument: str) -> Any:
    """Return what a script of this folder prints."""
    command = [sys.executable, str(HERE / script), argument]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def golden(name: str) -> Any:
    return json.loads((HERE / f"{name}.json").read_text())


@pytest.mark.parametrize("client", ["httpx", "aiohttp"])
def test_the_proxy_shows_what_it_did(client: str) -> None:
    expected, found = golden("proxy"), shown("scenario.py", client)
    expected["metrics"]["body"] = [DIFFERENCES.get(line, line) for line in expected["metrics"]["body"]]
    last_error = expected["metrics"]["body"].index('proxy_errors_total{error_type="internal_error"} 0.0')
    expected["metrics"]["body"].insert(last_error + 1, f'proxy_errors_total{{error_type="{NEW_CODE}"}} 0.0')
    for pool in [act for act in expected if act.startswith("pool")]:
        expected[pool]["body"]["errors"][NEW_CODE] = 0
    for answer in expected.values():
        if isinstance(answer["body"], dict) and "errors" in answer["body"]:
            answer["body"]["errors"] |= dict.fromkeys(NEW_ERRORS, 0)
    assert list(found) == list(expected)
    for act, answer in expected.items():
        assert found[act] == answer, act


def renamed(node: Any) -> Any:
    if isinstance(node, dict):
        return {RENAMED_IN_RUNS.get(key, key): renamed(value) for key, value in node.items()}
    return [renamed(each) for each in node] if isinstance(node, list) else node


def test_a_run_document_holds_what_it_did() -> None:
    expected = renamed(golden("run")) | NEW_IN_RUNS
    expected["pool"]["workers"] = []
    assert shown("run.py", str(HERE / "proxy.json")) == expected
