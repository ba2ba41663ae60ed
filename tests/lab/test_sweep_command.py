"""`sweep` with fake services: its order, its files, Ctrl-C and going on."""

import signal
from pathlib import Path

import pytest

from lab.sweep.report import SweepReport
from support.fake_clone import FakeClone

pytestmark = pytest.mark.slow

GRID = ("sweep", "PROXY_MAX_CONNECTIONS=5,10", "LOCUST_USERS=3,4", "--repeat", "2", "--time", "1s", "--processes")


@pytest.fixture
def clone(tmp_path: Path) -> FakeClone:
    """Give a clone in which nothing is up."""
    return FakeClone(tmp_path)


def test_ctrl_c_keeps_what_it_has_and_the_same_command_goes_on(clone: FakeClone) -> None:
    """Exit 130 with a report of what was measured; then the rest, in the same files, on one set of processes."""
    with clone.start(*GRID, "--json") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("3/8"):
                process.send_signal(signal.SIGINT)
        out = process.stdout.read() if process.stdout else ""
    assert process.returncode == 130
    cut = SweepReport.model_validate_json(out)
    assert not cut.finished
    assert sum(len(cell.figures.runs) for cell in cut.cells) == 3

    rest = clone.run(*GRID, "--json")
    assert "its runs so far: 3" in rest.stderr
    assert (rest.returncode, rest.stderr.count("pool  (")) == (0, 5)
    whole = SweepReport.model_validate_json(rest.stdout)
    assert (whole.id, whole.finished) == (cut.id, True)
    assert [len(cell.figures.runs) for cell in whole.cells] == [2, 2, 2, 2]
    page = clone.root / "runs" / "sweeps" / f"{whole.id}.html"
    assert page.stat().st_size < 6e6
