"""The whole loop as real local processes."""

import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from e2e.loop import Say, assert_accounted_for, assert_adds_up, counts, one_run_at_a_time, place_ms

from support.clone import Clone, Foreground, clone

pytestmark = [pytest.mark.e2e]

READY = r"open the Locust UI|Locust UI"


@pytest.fixture
def here(local: Clone) -> Clone:
    return local


def test_the_services_are_ready_when_up_says_so(here: Clone, up: Foreground, say: Say) -> None:
    """All of them answer, and the addresses it prints are theirs."""
    say("; ".join(here.measured))
    assert here.get(f"{here.proxy}/-/ready") == {"status": "ready"}
    assert here.get(f"{here.ui}/lab/health")["state"] == "ready"
    assert here.ui in up.output
    assert here.proxy in up.output


# As `up` has started them: these come before those that run with other settings.


def test_a_run_from_the_ui_is_accounted_for(here: Clone, up: Foreground, say: Say) -> None:
    """Local, in the web UI's own process."""
    document = here.ui_run(users=20, seconds=4)
    say(f"UI: {counts(document)}")
    assert document["mode"] == "ui"
    assert_accounted_for(document)


def test_one_run_at_a_time(here: Clone, up: Foreground) -> None:
    """Of the UI or of the command line; one that is interrupted by Ctrl-C exits 130 and is kept."""
    one_run_at_a_time(here)


def test_sigterm_during_a_run_answers_what_is_in_flight(here: Clone, up: Foreground) -> None:
    """The proxy gets SIGTERM under load: its answers go out, and it exits 0."""
    running = threading.Thread(target=lambda: here.ui_run(users=10, seconds=4))
    running.start()
    here.until(lambda: here.in_flight() >= 5, 20)
    os.kill(here.get(f"{here.proxy}/-/pool")["process"]["workers"][0]["pid"], signal.SIGTERM)
    running.join()
    up.until(r"proxy.*(exit(ed)?( code)?|code) 0", 60 + time.monotonic() - up.began)
    here.run_json("--users", "5", "--time", "1s")


def test_an_upstream_killed_during_a_run_gives_502_and_comes_back(here: Clone, up: Foreground, say: Say) -> None:
    """Coded errors and not a hang while it is away; within a second of its return requests succeed again."""
    found: dict[str, dict[str, Any]] = {}
    running = threading.Thread(target=lambda: found.update(document=here.ui_run(users=10, seconds=6)))
    running.start()
    here.until(lambda: here.in_flight() >= 5, 20)
    stats = here.get(f"http://127.0.0.1:{here.ports['UPSTREAM_CONTROL_PORT']}/-/stats")
    os.kill(stats["process"]["pid"], signal.SIGKILL)
    here.until(lambda: here.get(f"{here.proxy}/-/pool")["errors"]["upstream_connect_error"] > 0, 3)
    # the supervisor names the dead service; the next run brings it back, so here it is started by hand
    from support.servers import part

    control = here.ports["UPSTREAM_CONTROL_PORT"]
    with part(
        "upstream_mock",
        f"http://127.0.0.1:{control}/-/healthy",
        UPSTREAM_PORT=here.ports["UPSTREAM_PORT"],
        UPSTREAM_CONTROL_PORT=control,
    ):
        back = time.monotonic()
        answered = here.answered()
        while here.answered() == answered:
            assert time.monotonic() - back < 1
            time.sleep(0.02)
        running.join()
    errors = found["document"]["errors"]
    say(f"upstream killed: {errors}")
    assert any("502" in kind for kind in errors)
    assert all(kind.startswith(("502 ", "503 ", "504 ")) for kind in errors)
    assert "upstream-mock" in up.output
    here.run_json("--users", "5", "--time", "1s")  # the supervisor starts it again


# With other settings.


def test_the_next_run_starts_from_the_baseline_again(here: Clone, up: Foreground) -> None:
    """What the last run set is gone, and only what differs was restarted."""
    here.run_json("--users", "2", "--time", "1s", "PROXY_MAX_CONNECTIONS=40")
    before = {row["pid"] for row in here.get(f"{here.proxy}/-/pool")["process"]["workers"]}
    document = here.run_json("--users", "5", "--time", "2s")
    assert document["settings"]["start"]["proxy"]["PROXY_MAX_CONNECTIONS"] == 10
    after = {row["pid"] for row in here.get(f"{here.proxy}/-/pool")["process"]["workers"]}
    assert before == after  # these settings are changed while it runs
    again = here.run_json("--users", "5", "--time", "2s", "UPSTREAM_LATENCY=constant(50ms)")
    assert {row["pid"] for row in here.get(f"{here.proxy}/-/pool")["process"]["workers"]} == after
    assert again["settings"]["start"]["upstream"]["UPSTREAM_LATENCY"] == "constant(50ms)"


def test_a_run_takes_back_what_was_put_while_the_services_ran(here: Clone, up: Foreground) -> None:
    """The pool's limit and the mock's faults are those of the settings again, and the run names what it restarted."""
    limit = b'{"PROXY_MAX_CONNECTIONS": 3}'
    mock = f"http://127.0.0.1:{here.environment['UPSTREAM_CONTROL_PORT']}"
    for url, body in ((f"{here.proxy}/-/config", limit), (f"{mock}/-/faults", b"STATUS_503")):
        with urllib.request.urlopen(urllib.request.Request(url, body, method="PUT")) as answer:
            assert answer.status == 200
    document = here.run_json("--users", "5", "--time", "2s")
    assert document["settings"]["start"]["proxy"]["PROXY_MAX_CONNECTIONS"] == 10
    assert document["totals"]["failures"] == 0


def test_a_sweep_goes_on_after_ctrl_c_and_restarts_nothing(here: Clone, up: Foreground, say: Say) -> None:
    """Two rounds, an objective over a list: the fewest connections that hold it, on one proxy process."""
    load = ("--repeat", "2", "--time", "1s", "--users", "6", "UPSTREAM_LATENCY=constant(60ms)")
    words = ("./sandbox", "sweep", "PROXY_MAX_CONNECTIONS=1,8", *load, "--objective", "throughput > 20/s")
    with Foreground(here, *words) as sweep:
        sweep.until("(?m)^1/4 ", 90)
        pids = {row["pid"] for row in here.get(f"{here.proxy}/-/pool")["process"]["workers"]}
        assert sweep.stop() == 130, sweep.output
    rest = here.command(*words, "--json")
    assert "its runs so far: 1" in rest.stderr
    report = json.loads(rest.stdout)
    assert report["set"] == {"PROXY_MAX_CONNECTIONS": "8"}
    assert [len(cell["figures"]["runs"]) for cell in report["cells"]] == [2, 2]
    assert {row["pid"] for row in here.get(f"{here.proxy}/-/pool")["process"]["workers"]} == pids
    say(f"sweep: {report['words'][0]}")


def test_a_run_of_two_workers_is_accounted_for(here: Clone, up: Foreground, say: Say) -> None:
    """A master and two workers, headless."""
    document = here.run_json("--users", "20", "--time", "4s", "LOCUST_PROCESSES=2")
    say(f"two workers: {counts(document)}")
    assert_accounted_for(document)
    assert document["generator"]["processes"] >= 2


def test_two_uvicorn_workers_are_one_pool_to_the_reader(here: Clone, up: Foreground) -> None:
    """Their limits add up and so do their counts."""
    document = here.run_json("--users", "20", "--time", "3s", "UVICORN_WORKERS=2")
    assert document["pool"]["max"] == 20
    assert_accounted_for(document)


@pytest.mark.timing
def test_100_ms_of_the_upstream_are_100_to_101(here: Clone, up: Foreground, say: Say) -> None:
    """At p50, in the account of a run with connections to spare."""
    document = here.run_json(
        *("--users", "4", "--time", "4s", "UPSTREAM_LATENCY=constant(100ms)", "PROXY_CLIENT=pyreqwest")
    )
    work = place_ms(document, "upstream_work")
    say(f"constant(100ms): {work['p50']:.2f} ms of the upstream's work at p50, {work['mean']:.2f} in the mean")
    assert 100 <= work["p50"] <= 101
    assert_adds_up(document)


def test_the_relay_adds_its_round_trip(here: Clone, up: Foreground) -> None:
    """40 ms on every request and one more on a new connection; the run document names the engine."""
    document = here.run_json(
        "--users", "4", "--time", "3s", "NET_RTT_MS=40", "UPSTREAM_LATENCY=constant(10ms)", "PROXY_MAX_CONNECTIONS=4"
    )
    assert_accounted_for(document)
    assert document["network"]["engine"] == "relay"
    assert document["latency_ms"]["p50"] >= 50
    assert document["settings"]["start"]["network"]["NET_RTT_MS"] == 40


@pytest.mark.parametrize(
    "assignments",
    [
        (
            *("PROXY_MAX_CONNECTIONS=ten", "PROXY_CLIENT=curl", "PROXY_PORT=99999", "PROXY_UPSTREAM_URL=nowhere"),
            *("PROXY_NONSENSE=1", "UPSTREAM_LATENCY=about(100ms)", "NET_RTT_MS=-1", "LOCUST_USERS=many"),
        ),
        ("PROXY_MAX_KEEPALIVE_CONNECTIONS=11",),
        ("NONSENSE=1",),
    ],
)
def test_bad_settings_stop_the_run_before_anything_changes(
    here: Clone, up: Foreground, assignments: tuple[str, ...]
) -> None:
    """Exit 2, one line for each with variable and value, nothing restarted."""
    before = here.get(f"{here.proxy}/-/pool")["process"]["workers"]
    done = here.sandbox("run", "--time", "1s", *assignments, expect=2)
    for assignment in assignments:
        name, value = assignment.split("=", 1)
        lines = [line for line in done.stderr.splitlines() if name in line]
        assert len(lines) == 1, done.stderr
        assert value in lines[0]
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    after = here.get(f"{here.proxy}/-/pool")["process"]["workers"]
    assert [row["pid"] for row in before] == [row["pid"] for row in after]


def test_contradictory_network_settings_are_a_mistake(here: Clone, up: Foreground) -> None:
    """An engine that is off cannot have a round-trip time."""
    done = here.sandbox("run", "NET_ENGINE=off", "NET_RTT_MS=40", expect=2)
    assert "NET_RTT_MS" in done.stderr


def test_a_second_up_is_refused_in_one_line(here: Clone, up: Foreground) -> None:
    """Exit 3."""
    done = here.sandbox("up", "--processes", expect=3)
    assert len((done.stderr + done.stdout).strip().splitlines()) <= 2


def test_ctrl_c_leaves_no_process_and_no_port() -> None:
    """Every port can be bound again at once."""
    with ExitStack() as stack:
        own = stack.enter_context(clone())
        running = stack.enter_context(Foreground(own, "./sandbox", "up", "--processes"))
        running.until(READY, 60)
        pids = [row["pid"] for row in own.get(f"{own.proxy}/-/pool")["process"]["workers"]]
        assert running.stop() == 130
        for port in own.ports.values():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                raise AssertionError(f"process {pid} is still there")
        with pytest.raises((urllib.error.URLError, OSError)):
            urllib.request.urlopen(own.proxy, timeout=1)


def test_a_port_in_use_is_one_line_with_the_variable_that_moves_it() -> None:
    """Exit 3 before anything starts."""
    with clone() as own, socket.create_server(("127.0.0.1", own.ports["PROXY_PORT"])):
        done = own.sandbox("up", "--processes", expect=3)
        lines = [line for line in done.stderr.splitlines() if "PROXY_PORT" in line]
        assert len(lines) == 1
        assert str(own.ports["PROXY_PORT"]) in lines[0]
