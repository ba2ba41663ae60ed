import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.timing
def test_slow_callers_of_each_kind_harm_no_ordinary_request() -> None:
    """Its shortest pass: a dozen of each, more than the pool has connections."""
    side = ["--client", "httpx", "--queue", "client", "--parser", "httptools"]
    command = [sys.executable, "-m", "soak.slow_callers", *side, "--callers", "12", "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
