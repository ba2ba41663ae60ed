"""PROXY_SNIFFIO, in the process that serves: whether the import works, what it costs, and what the path holds."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from service_kit.listening import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

_WHEN_SERVING = """
import json, sys, time
import uvicorn

def cost_us(*names):
    best = dict.fromkeys(names, 1.0)
    for _ in range(100):
        for name in names:
            began = time.perf_counter()
            for _ in range(10):
                try:
                    __import__(name)
                except ImportError:
                    pass
            best[name] = min(best[name], (time.perf_counter() - began) / 10)
    return {name: seconds * 1e6 for name, seconds in best.items()}

def tell(*_, **__):
    from anyio._core import _eventloop
    from proxy import sniffio_import
    import httpcore2._synchronization
    found = {
        "found": sniffio_import.found(),
        "anyio_has_it": _eventloop.sniffio is not None,
        "httpcore2_has_it": httpcore2._synchronization.sniffio is not None,
        "marked": sys.modules.get("sniffio", "") is None,
        "us": cost_us("sniffio", "never_installed"),
        "path": sys.path,
    }
    print(json.dumps(found), flush=True)
    sys.exit(0)

uvicorn.Server.run = tell
from proxy.__main__ import main
sys.exit(main([]))
"""
"""The proxy's own start up to where uvicorn would serve; the app is built as it always is.

What an import costs is the best of a hundred times, one name's beside the other's: no wall clock of a busy machine.
"""


@functools.cache
def when_serving(sniffio: str) -> Mapping[str, Any]:
    """Start the proxy as `./sandbox` does, with our packages where the launcher puts them, and return what it finds."""
    environment = {"PATH": os.environ["PATH"], "PROXY_PORT": str(free_port()), "PROXY_SNIFFIO": sniffio}
    command = [sys.executable, "-P", "-c", _WHEN_SERVING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def test_absent_is_an_import_that_fails_at_its_full_price() -> None:
    """By default, though this .venv holds the package: not found, not marked in sys.modules, as dear as any other."""
    serving = when_serving("")
    assert serving["found"]["sniffio"] == "absent"
    assert [serving[key] for key in ("anyio_has_it", "httpcore2_has_it", "marked")] == [False] * 3
    assert 0.7 < serving["us"]["sniffio"] / serving["us"]["never_installed"] < 1.4, serving["us"]


def test_present_is_the_package_itself() -> None:
    """The pinned one, found by whoever imports it, at the price of a module that is there."""
    serving = when_serving("present")
    assert serving["found"]["sniffio"] == "present"
    assert serving["anyio_has_it"]
    assert serving["httpcore2_has_it"]
    assert serving["us"]["sniffio"] < serving["us"]["never_installed"] / 5, serving["us"]


@pytest.mark.parametrize("sniffio", ["", "present"])
def test_no_more_than_one_entry_of_the_path_is_ours(sniffio: str) -> None:
    """What a failing import costs grows with them; the collector is Python's own, too."""
    serving = when_serving(sniffio)
    ours = [entry for entry in serving["path"] if Path(entry or ".").resolve() in (ROOT, *ROOT.glob("*/src"))]
    assert len(ours) <= 1, serving["path"]
    assert serving["found"]["path_entries_of_ours"] == len(ours)
    assert serving["found"]["path_entries"] == len(serving["path"])
    assert serving["found"]["gc_threshold"][0] == 700 or sys.version_info >= (3, 14)


def test_nothing_that_a_worker_imports_before_its_settings_tries_the_import() -> None:
    """uvicorn's worker imports the factory and the protocol first: anyio would keep what it found then."""
    code = "import sys, proxy.__main__, proxy.server, proxy.forward.httptools_protocol; print('anyio' in sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
