"""The command line from outside: what it refuses, what it prints where, and how it ends."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from lab.audit import audit_words
from lab.backends.checkout import Checkout
from lab.backends.control_socket import Applied
from lab.backends.variables import RunVariables
from lab.backends.workspace import Workspace
from lab.cli.app import main
from lab.cli.compare import print_comparison
from lab.cli.run_session import refuse_tuned_pattern, what_differs
from lab.cli.summary import print_summary
from lab.cli.test import covered_shares, exit_code
from lab.comparison.compare import compare
from lab.run_document import RunDocument
from lab.witnesses import Audit, AuditCheck
from service_kit.exits import UsageError
from support import fake_part, fake_services
from support.eventually import eventually_sync
from support.fake_clone import FakeClone

pytestmark = pytest.mark.slow

COMMANDS = {"up", "down", "run", "check", "predict", "sweep", "runs", "compare", "report", "advise", "test", "doctor"}


@pytest.fixture
def clone(tmp_path: Path) -> FakeClone:
    """Give a clone in which nothing is up."""
    return FakeClone(tmp_path)


def _put_run(clone: FakeClone, run_id: str, **given: str) -> None:
    (clone.root / "runs").mkdir(exist_ok=True)
    (clone.root / "runs" / f"{run_id}.json").write_text(json.dumps(fake_part.document(run_id, given)))


def test_help_lists_the_commands_that_there_are(clone: FakeClone) -> None:
    """--help, -h and nothing at all show the loop and exactly the commands that are built."""
    helps = [clone.run("--help"), clone.run("-h"), clone.run()]
    assert {one.returncode for one in helps} == {0}
    assert len({one.stdout for one in helps}) == 1
    said = helps[0].stdout
    assert set(re.findall(r"^  (\w+)  ", said.partition("Commands:")[2], re.MULTILINE)) == COMMANDS
    assert all(f"./sandbox {name}" in said for name in ("up", "run", "compare"))
    assert max(map(len, said.splitlines())) <= 80


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's --help fits 80 columns and begins with its usage; `test --help` is pytest's."""
    for command in COMMANDS - {"test"}:
        assert main([command, "--help"]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"Usage: sandbox {command}")
        assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "No such command 'fly'"),
        (["--fly"], "No such option: --fly"),
        (["up", "--fast"], "No such option: --fast"),
        (["up", "--docker", "--processes"], "take one of them"),
        (["run", "--users", "0"], "--users"),
        (["run", "--users", "10001"], "--users"),
        (["run", "--users", "many"], "--users"),
        (["run", "--rate", "0"], "--rate 0: must be more than 0"),
        (["run", "--time", "soon"], "--time 'soon': not a duration"),
        (["run", "--time", ""], "--time '': not a duration"),
        (["run", "--users", "3", "LOCUST_USERS=4"], "LOCUST_USERS=4: given as an option too"),
        (["run", "--label", "x" * 61], "a label has up to 60 characters on one line"),
        (["run", "--label", "a\nb"], "a label has up to 60 characters on one line"),
        (["run", "--label"], "requires an argument"),
        (["run", "connections"], "'connections': not a VAR=value"),
        (["run", "HOME=/"], "HOME=/: no part has such a variable"),
        (["compare"], "Missing argument"),
        (["compare", "one"], "needs at least two runs"),
        (["compare", "one", "two"], "no run has the id or the label 'one'"),
    ],
)
def test_usage_errors(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """Bad usage: exit 2, one line that names it and at most a hint after it, no trace, nothing on stdout."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(arguments, Workspace(Checkout(tmp_path), fake_services.SERVICES, fake_services.LOCUST)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert message in lines[0]
    assert len(lines) == 1 or (
        len(lines) == 2 and lines[1] in ("try ./sandbox --help", f"try ./sandbox {arguments[0]} --help")
    )


def test_a_run_starts_and_stops_its_own_services(clone: FakeClone) -> None:
    """With nothing up, `run` brings up what it needs, prints the summary, and leaves nothing."""
    run = clone.run("run", "--users", "40", "--label", "ten")
    assert run.returncode == 0
    assert "started: link, proxy, upstream-mock" in run.stderr
    assert clone.open_ports() == []
    for word in (
        "run ten (",
        "verdict",
        "pool: all connections were busy",
        "audit",
        "document",
        "./sandbox compare ten",
    ):
        assert word in run.stdout
    document = next((clone.root / "runs").glob("*.json"))
    assert str(document) in run.stdout
    load = json.loads(document.read_text())["settings"]["start"]["load"]
    assert (load["LOCUST_USERS"], load["LOCUST_SPAWN_RATE"], load["LAB_RUN_LABEL"]) == ("40", "40", "ten")


def test_json_prints_the_document_and_nothing_else(clone: FakeClone) -> None:
    """Standard output of --json is one JSON document, whatever happens on the way."""
    with clone.up():
        run = clone.run("run", "--json", "PROXY_MAX_CONNECTIONS=40", "--rate", "2.5")
    assert run.returncode == 0
    document = RunDocument.model_validate_json(run.stdout)
    assert document.settings.start.load is not None
    assert document.settings.start.load["LOCUST_SPAWN_RATE"] == "2.5"
    listed = json.loads(clone.run("runs", "--json").stdout)
    assert [row["id"] for row in listed] == [document.id]
    compared = json.loads(clone.run("compare", "--json", document.id, document.id).stdout)
    assert compared["settings"] == []
    assert json.loads(clone.run("doctor", "--json").stdout)["findings"]


def test_json_stays_clean_when_it_fails(clone: FakeClone) -> None:
    """A failure prints nothing on standard output."""
    for arguments, code in ((["PROXY_CLIENT=bad"], 2), (["PROXY_CLIENT=die"], 3), (["--users", "666"], 1)):
        run = clone.run("run", "--json", *arguments)
        assert (run.returncode, run.stdout) == (code, "")
        assert run.stderr
        assert "Traceback" not in run.stderr


def test_nothing_measured_is_exit_1(clone: FakeClone) -> None:
    """A run that recorded nothing shows Locust's last lines."""
    run = clone.run("run", "--users", "666")
    assert run.returncode == 1
    assert "nothing could be measured" in run.stderr
    assert "nothing answered" in run.stderr


def test_a_run_in_which_everything_fails_is_exit_1(clone: FakeClone) -> None:
    """A run that was recorded, but not one request of which succeeded, is no success."""
    run = clone.run("run", "--users", "667")
    assert run.returncode == 1
    assert "2000 failed" in run.stdout


def test_a_mistake_in_an_option_points_to_the_commands_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Not to the help of all commands, where the option is not."""
    for option in ("--label", "--fast"):
        assert main(["run", option]) == 2
        assert capsys.readouterr().err.splitlines()[1] == "try ./sandbox run --help"


def test_down_during_a_run_is_said(clone: FakeClone) -> None:
    """When the services are taken away the run ends soon, keeps what it has, and prints why; exit 3."""
    with clone.up(), clone.start("run", "--time", "30s") as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "0/30 s" in line:
                break
        assert clone.run("down").stdout == "stopped\n"
        out, err = run.communicate(timeout=20)
    assert run.returncode == 3
    assert ": interrupted" in out
    assert err.splitlines() == ["the sandbox was taken down during the run"]


def test_a_run_names_what_it_waits_for(clone: FakeClone) -> None:
    """Off a terminal too: every few seconds the service, its own words, and for how long."""
    with clone.start("run", "--processes", "PROXY_CLIENT=never") as run:
        assert run.stderr is not None
        waiting = [re.fullmatch(r"(.+), (\d+) s so far \.\.\.\n", run.stderr.readline()) for _ in range(2)]
        assert all(line and line[1] == "waiting for proxy (the upstream sleeps)" for line in waiting)
        seconds = [int(line[2]) for line in waiting if line]
        assert 3 <= seconds[0] < seconds[1]
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=20)
    assert (run.returncode, err.splitlines()[-1]) == (130, "interrupted; nothing was recorded")


def test_a_full_disk_and_a_closed_pipe(clone: FakeClone) -> None:
    """What cannot be written is one line, exit 3; a reader that has gone is nothing to speak of."""
    _put_run(clone, "20261120T221530Z-0001")
    for command in (["runs"], ["runs", "--json"], ["--help"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                clone.command(*command), env=clone.environment(), stdout=full, stderr=subprocess.PIPE, text=True
            )
        assert (done.returncode, done.stderr) == (3, "sandbox: [Errno 28] No space left on device\n")
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            clone.command(*command), env=clone.environment(), stdout=writer, stderr=subprocess.PIPE, text=True
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, "")


def test_labels_are_wrapped_not_cut(clone: FakeClone) -> None:
    """The list of runs fits 80 columns with a long label in it, and all of the label is there."""
    label = "a-rather-long-label-without-any-blank-in-it"
    _put_run(clone, "20261120T221530Z-f08e", LAB_RUN_LABEL=label, PROXY_MAX_CONNECTIONS="100", LOCUST_USERS="10000")
    lines = clone.run("runs").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["run", "label", "end", "users", "pool", "req/s", "p50", "p99", "failed", "limit"]
    column = slice(lines[0].index("label"), lines[0].index(" end"))
    assert "".join(line[column].strip() for line in lines[1:]) == label
    assert lines[1].startswith("11-20 22:15 f08e ")


def test_ctrl_c_keeps_the_run(clone: FakeClone) -> None:
    """Ctrl-C during the load: what was measured is kept and summed up, exit 130, nothing left."""
    with clone.start("run", "--time", "30s", "--processes") as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "0/30 s" in line:
                break
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=20)
    assert run.returncode == 130
    assert "what was measured is kept" in err
    assert ": interrupted" in out
    assert clone.open_ports() == []


def test_ctrl_c_while_locust_starts_records_nothing(clone: FakeClone) -> None:
    """Python's own end by a KeyboardInterrupt is no failure of Locust's."""
    with clone.start("run", "--users", "669", "--time", "30s", "--processes") as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "0/30 s" in line:
                break
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=20)
    assert run.returncode == 130, err
    assert "interrupted; nothing was recorded" in err
    assert "KeyboardInterrupt" not in err
    assert not out


def test_ctrl_c_before_the_load_ends_everything(clone: FakeClone) -> None:
    """Ctrl-C while services start: exit 130 without a trace, nothing left."""
    with clone.start("run", "--processes", "PROXY_CLIENT=slow") as run:
        eventually_sync(lambda: bool(clone.config("upstream-mock")), within=10)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=20)
    assert (run.returncode, out) == (130, "")
    assert "Traceback" not in err
    eventually_sync(lambda: clone.open_ports() == [], within=10)


def test_one_run_at_a_time(clone: FakeClone) -> None:
    """A second run of the same clone is refused in one line, exit 3."""
    with clone.start("run", "--time", "20s", "--processes") as first:
        assert first.stderr is not None
        for line in first.stderr:
            if "0/20 s" in line:
                break
        second = clone.run("run")
        assert second.returncode == 3
        assert second.stderr.splitlines() == [f"another run of this clone is on (pid {first.pid}); one at a time"]
        up = clone.run("up", "--processes")
        assert up.returncode == 3
        assert "for one run" in up.stderr
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=20)


def test_a_run_of_the_ui_is_not_disturbed(clone: FakeClone) -> None:
    """While the Locust UI runs a load, `run` refuses, exit 3, and restarts nothing."""
    with clone.up(LOCUST_STATE="running"):
        before = clone.pids()
        run = clone.run("run", "PROXY_CLIENT=other")
        assert run.returncode == 3
        assert f"a run is on in the Locust UI (http://127.0.0.1:{clone.ports['LOCUST_WEB_PORT']})" in run.stderr
        assert clone.pids() == before


def test_the_other_mode_is_refused(clone: FakeClone) -> None:
    """Asking for Docker while processes are up is a contradiction."""
    with clone.up():
        run = clone.run("run", "--docker")
    assert run.returncode == 2
    assert "--docker: the sandbox is up, as processes" in run.stderr


def test_docker_that_is_not_there(clone: FakeClone) -> None:
    """--docker without a docker command: one line, exit 3, and the way without."""
    up = clone.run("up", "--docker")
    assert up.returncode == 3
    assert up.stderr.splitlines() == ["there is no docker command; ./sandbox up --processes needs no Docker"]


@pytest.mark.parametrize(("promised", "code"), [(120.0, 0), (300.0, 1)])
def test_an_advice_is_shown_and_tried(clone: FakeClone, promised: float, code: int) -> None:
    """The last run, or one by its label; --try runs it again with the advice, and may fail."""
    assert "no runs yet" in clone.run("advise").stderr
    _put_run(clone, "20261120T221530Z-0001", LAB_RUN_LABEL="ten", PROXY_MAX_CONNECTIONS="10", LOCUST_USERS="30")
    path = clone.root / "runs" / "20261120T221530Z-0001.json"
    promise = {"metric": "succeeded_rps", "before": 100.0, "after": promised, "assumes": "all is well"}
    advice = {"words": "More of them.", "set": {"PROXY_MAX_CONNECTIONS": 20}, "promise": promise}
    verdict = {"bottleneck": "pool", "because": "all were busy", "advice": advice}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdict": verdict}))
    shown = " ".join(clone.run("advise").stdout.split())
    assert f"More of them. promise 100 -> {promised:g} requests/s, if all is well" in shown
    assert ".env PROXY_MAX_CONNECTIONS=20" in shown
    tried = clone.run("advise", "ten", "--try", "--json", "--processes")
    assert tried.returncode == code
    answer = json.loads(tried.stdout)
    assert answer["env"] == ["PROXY_MAX_CONNECTIONS=20"]
    assert (answer["trial"]["was"], answer["trial"]["measured"], answer["trial"]["held"]) == (100, 100, not code)
    assert "for this run: LOCUST_USERS=30 PROXY_MAX_CONNECTIONS=20; started" in " ".join(tried.stderr.split())


def test_what_cannot_be_advised_is_refused(clone: FakeClone) -> None:
    _put_run(clone, "20261120T221530Z-0001", LAB_RUN_LABEL="ten")
    for words, line in (
        (("advise", "ten", "--try"), "--try: the advice of ten sets no variable: Raise it."),
        (("advise", "no such"), "no run has the id or the label 'no such'; ./sandbox runs lists them"),
    ):
        refused = clone.run(*words)
        assert (refused.returncode, refused.stderr.strip()) == (2, line)


def test_runs_and_compare(clone: FakeClone) -> None:
    """Past runs are listed; two of them are held against one another, within 80 columns, without colour."""
    assert "no runs yet" in clone.run("runs").stdout
    _put_run(clone, "20261120T221530Z-0001", LAB_RUN_LABEL="ten", PROXY_MAX_CONNECTIONS="10")
    _put_run(clone, "20261120T221630Z-0002", LAB_RUN_LABEL="forty", PROXY_MAX_CONNECTIONS="40")
    runs = clone.run("runs").stdout
    assert "ten" in runs
    assert "11-20 22:15 0002" in runs
    compared = clone.run("compare", "ten", "forty").stdout
    assert re.search(r"^PROXY_MAX_CONNECTIONS +10 +40$", compared.replace(" \n", "\n"), re.MULTILINE)
    assert re.search(r"^throughput requests/s +100 +400  x4.00", compared, re.MULTILINE)
    assert compared.index("PROXY_MAX_CONNECTIONS") < compared.index("throughput")
    assert "One setting differs, PROXY_MAX_CONNECTIONS 10 -> 40" in " ".join(compared.split())
    assert "LAB_RUN_LABEL" not in compared
    for said in (runs, compared):
        assert max(map(len, said.splitlines())) <= 80
        assert "\x1b" not in said


@pytest.mark.parametrize("count", [3, 5])
def test_many_long_labels_fit_80_columns(count: int) -> None:
    """A wide comparison folds rather than cuts; the names of the figures stay whole."""
    settings = [
        {"LAB_RUN_LABEL": f"a rather long label, number {n}", "PROXY_MAX_CONNECTIONS": str(n + 1)} for n in range(count)
    ]
    documents = [RunDocument.model_validate(fake_part.document(f"r{n}", each)) for n, each in enumerate(settings)]
    console = Console(width=80, record=True, file=io.StringIO())
    print_comparison(console, compare(documents))
    said = console.export_text()
    assert max(map(len, said.splitlines())) <= 80
    assert "…" not in said
    assert re.search(r"^throughput requests/s +10 ", said, re.MULTILINE)
    assert f"x{count}.00" in said


def test_repeats_are_one_group_in_the_list_and_in_a_comparison(clone: FakeClone) -> None:
    """Their label, or the end of the group's id, stands for all of them."""
    run = clone.run("run", "--repeat", "3", "--label", "ten")
    assert run.returncode == 0
    assert re.findall(r"^(\d/3)  100.0/s", run.stderr, re.MULTILINE) == ["1/3", "2/3", "3/3"]
    assert "3 runs of equal settings: ten (group " in run.stdout
    assert re.search(r"^throughput requests/s +100.0 +100.0 +100.0 +0.0%", run.stdout, re.MULTILINE)
    documents = [json.loads(path.read_text()) for path in (clone.root / "runs").glob("*.json")]
    (group,) = {document["group"] for document in documents}
    assert len(documents) == 3
    assert clone.run("runs").stdout.count(f"ten, group {group[-4:]}") == 3
    _put_run(clone, "20261120T221630Z-zzzz", LAB_RUN_LABEL="forty", PROXY_MAX_CONNECTIONS="40")
    for reference in ("ten", group[-4:], group):
        compared = json.loads(clone.run("compare", "--json", reference, "forty").stdout)
        assert compared["runs"] == ["ten (3 runs)", "forty"]


def test_repeats_end_with_a_ctrl_c_and_are_a_list_in_json(clone: FakeClone) -> None:
    """What was measured before is kept; the worst exit code is that of the whole."""
    with clone.start("run", "--repeat", "2", "--users", "668", "--label", "cut") as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("1/2  100.0/s"):
                break
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=20)
    assert run.returncode == 130, err
    assert "runs of equal settings: cut (group" in out
    assert len(json.loads(clone.run("run", "--repeat", "2", "--json").stdout)) == 2
    assert clone.run("run", "--repeat", "2", "--users", "667").returncode == 1


ONLY_XDIST = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin"}
"""For pytest that a test starts: the plugins that are installed for the others take half a second in each process."""


def test_the_pytest_codes_are_ours(clone: FakeClone) -> None:
    """`test` passes its arguments on, and its exit code is one of the sandbox's."""
    tests = clone.root / "test_them.py"
    tests.write_text("def test_good(): pass\ndef test_bad(): assert False\n")
    assert clone.run("test", "-q", "-k", "good", str(tests), **ONLY_XDIST).returncode == 0
    assert clone.run("test", "-q", str(tests), **ONLY_XDIST).returncode == 1
    assert clone.run("test", "-q", "-k", "nothing", str(tests), **ONLY_XDIST).returncode == 1
    assert clone.run("test", "--no-such-option", **ONLY_XDIST).returncode == 2


FLAKY = """
import pathlib, pytest
def tried_before(name):
    tries = pathlib.Path(name)
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    return len(tries.read_text()) >= 2
@pytest.mark.timing
def test_wall_clock(): assert tried_before("wall_clock")
def test_race(): assert tried_before("race")
def test_good(): pass
def test_bad(): assert False
"""


def test_tests_that_failed_run_once_more_alone_and_are_named(clone: FakeClone) -> None:
    """pytest's own summaries are printed, and after them what passed only alone, and the counts."""
    (clone.root / "pytest.ini").write_text("[pytest]\nmarkers = timing\njunit_family = xunit1\n")
    (clone.root / "test_them.py").write_text(FLAKY)
    done = clone.run("test", **ONLY_XDIST)
    assert done.returncode == 1, done.stdout
    assert len(re.findall(r"^=+ \d (?:passed|failed).* in .*=+$", done.stdout, re.MULTILINE)) == 4
    assert "slowest 15 durations" in done.stdout
    assert done.stdout.splitlines()[-3:] == [
        "./sandbox test: failed at first, passed alone: test_them.py::test_race",
        "./sandbox test: failed at first, passed alone: test_them.py::test_wall_clock",
        "./sandbox test: all but timing: 1 passed, 2 failed, 0 skipped; those once more: 1 passed, 1 failed, 0 skipped"
        "; timing: 0 passed, 1 failed, 0 skipped; those once more: 1 passed, 0 failed, 0 skipped",
    ]


@pytest.mark.parametrize(
    ("most", "timing", "code"),
    [(0, 0, 0), (0, 5, 0), (1, 0, 1), (0, 1, 1), (1, 5, 1), (5, 0, 1), (0, 2, 130), (1, 2, 1), (4, 0, 2), (0, -9, 3)],
)
def test_a_failure_of_either_call_of_pytest_fails_the_whole(most: int, timing: int, code: int) -> None:
    assert exit_code(most, timing) == code


def test_the_shares_are_of_whole_packages() -> None:
    """A file counts by its lines; one without any is no package's share."""
    files = {
        "lab/src/lab/a.py": {"num_statements": 90, "covered_lines": 90},
        "lab/src/lab/cli/b.py": {"num_statements": 10, "covered_lines": 0},
        "/elsewhere/upstream-mock/src/upstream_mock/c.py": {"num_statements": 3, "covered_lines": 1},
        "link/src/link/__init__.py": {"num_statements": 0, "covered_lines": 0},
    }
    assert covered_shares(files) == "lab 90 %, upstream_mock 33 %"


def test_doctor_names_the_port_that_is_taken(clone: FakeClone) -> None:
    """doctor prints what follows, and which variable moves a port that is in use."""
    free = clone.run("doctor")
    assert free.returncode == 0
    assert "`./sandbox up` will run local processes (there is no docker command)." in free.stdout
    with socket.create_server(("127.0.0.1", clone.ports["NET_PORT"])):
        taken = clone.run("doctor").stdout
    assert f"{clone.ports['NET_PORT']} (link) is in use" in taken
    assert "set NET_PORT to a free port" in taken


def test_doctor_tells_our_ports_from_those_of_other_programs(clone: FakeClone) -> None:
    """A port of a service that died may belong to another program by now, and the sandbox is up only in part."""
    proxy = clone.ports["PROXY_PORT"]
    with clone.up():
        assert clone.run("doctor").stdout.splitlines()[-1] == "The sandbox is up, as processes."
        with socket.create_connection(("127.0.0.1", proxy)) as killer:
            killer.sendall(b"GET /die HTTP/1.0\r\n\r\n")
            killer.recv(1)
        eventually_sync(lambda: "PROXY_PORT" not in clone.open_ports(), within=10)
        with socket.create_server(("127.0.0.1", proxy)):
            said = clone.run("doctor").stdout
    assert re.search(
        rf"-- port +{proxy} \(proxy\) is in use\n +by another program; set PROXY_PORT to a free port", said
    )
    assert said.count("by the sandbox itself") == len(clone.ports) - 1
    assert "up only in part, as processes. Not running: proxy;" in said


def test_doctor_checks_the_settings(clone: FakeClone) -> None:
    """Mistakes in .env are findings: the parts' own, and a line that cannot be read; exit 0 all the same."""
    (clone.root / ".env").write_text("PROXY_CLIENT=bad\n")
    said = clone.run("doctor")
    assert (said.returncode, said.stderr) == (0, "")
    assert "PROXY_CLIENT='bad': no good" in said.stdout
    assert "will refuse the settings" in said.stdout
    (clone.root / ".env").write_text("# mine\nPROXY CLIENT=x\n")
    said = clone.run("doctor")
    assert (said.returncode, said.stderr) == (0, "")
    assert ".env:2: 'PROXY CLIENT=x'" in said.stdout
    up = clone.run("up")
    assert (up.returncode, up.stderr) == (2, ".env:2: 'PROXY CLIENT=x': not a NAME=value\n")


def test_what_differs_is_one_line() -> None:
    """What the command line changes and what was restarted for it, in one line."""
    settings = RunVariables(
        {"PROXY_CLIENT": "httpx"}, {"PROXY_CLIENT": "aiohttp", "NET_RTT_MS": "", "LAB_RUN_LABEL": "x"}
    )
    said = what_differs(settings, Applied([], ["link", "proxy"], ["link"]))
    changed, done = said.split("; ")
    assert changed == "for this run: PROXY_CLIENT=aiohttp (was httpx)"
    assert done == "restarted: link (no longer as it was started), proxy"
    assert what_differs(RunVariables({}, {}), Applied()) == "the baseline as it is; nothing restarted"


@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ({"PROXY_CLIENT": "httpcore"}, "PROXY_CLIENT='httpcore'"),
        ({"PROXY_CLIENT": "httpcore", "PROXY_TUNING": " "}, "PROXY_CLIENT='httpcore'"),
        ({"PROXY_CLIENT": "aiohttp", "PROXY_TUNING": "on"}, "PROXY_TUNING='on'"),
        ({"PROXY_CLIENT": "httpcore", "PROXY_TUNING": "off"}, None),
        ({}, None),
    ],
)
def test_a_pattern_on_a_tuned_proxy_is_refused_before_the_run(variables: dict[str, str], cause: str | None) -> None:
    refuse_tuned_pattern({**variables, "LAB_PATTERN": "forward"})
    pattern = {**variables, "LAB_PATTERN": "per_request_client"}
    if cause is None:
        refuse_tuned_pattern(pattern)
        return
    with pytest.raises(UsageError, match=f"^{cause}: .*LAB_PATTERN='per_request_client'; allowed: PROXY_TUNING=off"):
        refuse_tuned_pattern(pattern)


def test_the_audit_is_one_line() -> None:
    """Agreed, not agreed and incomplete are three different things."""
    wrong = AuditCheck(name="x", left=3, right=2, difference=1, message="the proxy lost one")
    audits = {
        "every request and connection is accounted for (0 checks)": Audit(agreed=True, checks=[]),
        "does not add up: the proxy lost one": Audit(agreed=False, checks=[wrong]),
        "incomplete, no answer from: upstream": Audit(agreed=False, checks=[], missing=["upstream"]),
    }
    assert {audit_words(audit) for audit in audits.values()} == audits.keys()


def test_the_summary_survives_odd_labels(tmp_path: Path) -> None:
    """A label with brackets is text, not markup."""
    document = RunDocument.model_validate(fake_part.document("r1", {"LAB_RUN_LABEL": "[bold]x[/nope]"}))
    console = Console(width=80, record=True, file=io.StringIO())
    print_summary(console, document, tmp_path / "r1.json")
    assert "[bold]x[/nope] (r1): finished" in console.export_text()


def test_up_imports_little() -> None:
    """`up` should start at once: rich and the other commands are not imported for it."""
    code = (
        "import sys; from lab.cli.app import main; main(['up', '--help']); "
        "print([name for name in ('rich.table', 'lab.cli.doctor', 'lab.cli.compare') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
