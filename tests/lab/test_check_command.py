"""`check` with fake services: what it lists, runs and refuses."""

import json
import os
import signal
from pathlib import Path

import pytest

from support.fake_clone import FakeClone
from support.lesson_files import FASTER

MORE_USERS = FASTER.replace("PROXY_MAX_CONNECTIONS", "LOCUST_USERS").replace("totals.rps", "users")

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path: Path) -> FakeClone:
    """Give a clone with three lessons in which nothing is up."""
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    (lessons / "faster.yaml").write_text(MORE_USERS)
    (lessons / "never.yaml").write_text(MORE_USERS.replace("> 1.8", "> 3"))
    (lessons / "elsewhere.yaml").write_text(MORE_USERS + "not_in: {processes: it needs packets}\n")
    (tmp_path / ".env").write_text("PROXY_MAX_CONNECTIONS=7\nLOCUST_USERS=667\n")
    return FakeClone(tmp_path)


def test_lessons_hold_or_not_with_the_figures_behind_it(clone: FakeClone) -> None:
    """What .env sets does not matter: 667 users would all fail there."""
    done = clone.run("check", "all", "--processes", "--report", str(clone.root / "out.html"), "--json")
    assert done.returncode == 1, done.stderr
    found = {each["name"]: each for each in json.loads(done.stdout)}
    results = {name: each["result"] for name, each in found.items()}
    assert results == {"elsewhere": "not run here", "faster": "holds", "never": "does not hold"}
    assert found["elsewhere"]["because"] == "as processes: it needs packets"
    assert found["faster"]["checks"][0]["figures"] == {"B.users": 10, "A.users": 5}
    assert "3/3 never B" in done.stderr
    assert "More connections: does not hold" in (clone.root / "out.html").read_text()

    mutated = clone.run("check", "faster", "--processes", "--mutate", "--report", str(clone.root / "out.md"))
    assert mutated.returncode == 0, mutated.stderr
    assert "fails, as due" in mutated.stdout
    assert "| `B.users / A.users > 1.8`: **no** | B.users = 5, A.users = 5 |" in (clone.root / "out.md").read_text()


@pytest.mark.parametrize("moment", ["holds", "2/2 never A"], ids=["while settings are checked", "in a run"])
def test_ctrl_c_keeps_what_was_found(clone: FakeClone, moment: str) -> None:
    """As in a terminal, where every process gets it."""
    with clone.start("check", "faster", "never", "--processes", "--json") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(moment):
                os.killpg(process.pid, signal.SIGINT)
        out = process.stdout.read() if process.stdout else ""
    assert process.returncode == 130
    assert [each["name"] for each in json.loads(out)] == ["faster"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("fastr",), "'fastr': there is no such lesson; did you mean faster? ./sandbox check lists them"),
        (("faster", "--report", "out.pdf"), "--report 'out.pdf': must end in .html or .md"),
        (("--mutate",), "--mutate, --report: name the lessons, or all"),
    ],
)
def test_bad_usage_is_one_line_and_runs_nothing(clone: FakeClone, arguments: tuple[str, ...], line: str) -> None:
    done = clone.run("check", *arguments)
    assert (done.returncode, done.stderr.strip(), done.stdout) == (2, line, "")


def test_without_names_it_lists_them(clone: FakeClone) -> None:
    listed = clone.run("check")
    assert listed.returncode == 0
    assert listed.stdout.split()[:2] == ["pool", "elsewhere"]
    (clone.root / "lessons" / "faster.yaml").write_text(MORE_USERS.replace("title", "titel"))
    broken = clone.run("check")
    assert broken.returncode == 2
    assert "faster.yaml:1: titel: Extra inputs are not permitted" in broken.stderr.splitlines()
