"""The supervisor, with fake services: what it starts, what it restarts, and that it leaves nothing behind."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from lab.backends.checkout import Checkout
from lab.backends.processes.supervisor import GRACE_SECONDS, Patience, Supervisor
from lab.backends.terminal import SilentTerminal
from service_kit.exits import UnavailableError
from support import fake_services
from support.eventually import eventually_sync
from support.fake_clone import FakeClone, is_alive

pytestmark = pytest.mark.slow

ALL = {"upstream-mock", "link", "proxy", "locust"}


@pytest.fixture
def clone(tmp_path: Path) -> FakeClone:
    """Give a clone in which nothing is up."""
    return FakeClone(tmp_path)


def _assert_nothing_left(clone: FakeClone, pids: list[int]) -> None:
    # Of a killed process with threads, the main one may be gone a moment before the others and their sockets.
    eventually_sync(lambda: not any(map(is_alive, pids)) and not clone.open_ports(), within=10)


def test_up_starts_everything_and_prints_where_it_is(clone: FakeClone) -> None:
    """All services answer when `up` prints that they are ready, and it names the addresses and what to do next."""
    with clone.up() as up:
        assert clone.pids().keys() == ALL
        assert up.stdout is not None
        said = "".join(up.stdout.readline() for _ in range(7))
        assert f"http://127.0.0.1:{clone.ports['LOCUST_WEB_PORT']}" in said
        assert f"http://127.0.0.1:{clone.ports['PROXY_PORT']}" in said
        assert "./sandbox run" in said


def test_services_get_nothing_of_the_shell(clone: FakeClone) -> None:
    """A service sees its own prefixes and what any program needs."""
    with clone.up(SECRET_TOKEN="x", PROXY_CLIENT="httpx"):
        mock, proxy = clone.config("upstream-mock")["environment"], clone.config("proxy")["environment"]
    assert "SECRET_TOKEN" not in mock
    assert "PROXY_CLIENT" not in mock
    assert proxy["PROXY_CLIENT"] == "httpx"


def test_an_http_proxy_of_the_shell_is_not_asked(clone: FakeClone) -> None:
    """The services are on this machine, whatever the shell's proxy is for."""
    with clone.up(http_proxy="http://127.0.0.1:9"):
        assert clone.pids().keys() == ALL
        assert "nothing restarted" in clone.run("run", http_proxy="http://127.0.0.1:9").stderr


def test_the_relay_is_put_between_only_if_there_is_one(clone: FakeClone) -> None:
    """The proxy calls the relay when the link's engine is one, else the mock."""
    with clone.up(NET_ENGINE="relay"):
        through = clone.config("proxy")["environment"]["PROXY_UPSTREAM_URL"]
    assert through == f"http://127.0.0.1:{clone.ports['NET_PORT']}"


def test_a_run_restarts_only_what_differs(clone: FakeClone) -> None:
    """A changed proxy setting restarts the proxy alone, the next run brings the baseline back, a third nothing."""
    with clone.up(PROXY_RETRIES="1"):
        before = clone.pids()
        first = clone.run("run", "PROXY_RETRIES=2")
        after = clone.pids()
        assert "restarted: proxy" in first.stderr
        assert "PROXY_RETRIES=2 (was 1)" in first.stderr
        assert {name for name in ALL if before[name] != after[name]} == {"proxy"}
        assert clone.config("proxy")["environment"]["PROXY_RETRIES"] == "2"
        second = clone.run("run", "--users", "5")
        assert "restarted: proxy" in second.stderr
        assert clone.config("proxy")["environment"]["PROXY_RETRIES"] == "1"
        third_before = clone.pids()
        assert "nothing restarted" in clone.run("run").stderr
        assert clone.pids() == third_before


def test_what_can_be_changed_while_it_runs_is_not_restarted(clone: FakeClone) -> None:
    """The same processes for a run, the run after it, and an unset variable; a change by somebody else restarts."""
    with clone.up():
        before = clone.pids()
        assert "; changed while it ran: proxy\n" in clone.run("run", "PROXY_MAX_CONNECTIONS=40").stderr
        assert clone.config("proxy")["environment"]["PROXY_MAX_CONNECTIONS"] == "40"
        assert "nothing restarted" in clone.run("run", "PROXY_MAX_CONNECTIONS=40").stderr
        assert "changed while it ran: proxy" in clone.run("run").stderr
        assert clone.config("proxy")["environment"]["PROXY_MAX_CONNECTIONS"] is None
        assert clone.pids() == before
        clone.run("run", "PROXY_MAX_CONNECTIONS=40")
        urllib.request.urlopen(f"http://127.0.0.1:{clone.ports['PROXY_PORT']}/change").close()
        assert "restarted: proxy (no longer as it was started)" in clone.run("run", "PROXY_MAX_CONNECTIONS=40").stderr
        assert clone.config("proxy")["environment"]["PROXY_MAX_CONNECTIONS"] == "40"
        assert clone.pids()["proxy"] != before["proxy"]


def test_what_was_changed_while_it_ran_is_started_anew(clone: FakeClone) -> None:
    """`PUT /-/config` changes a service and not its environment; the next run begins with what is configured."""
    with clone.up():
        before = clone.pids()
        urllib.request.urlopen(f"http://127.0.0.1:{clone.ports['PROXY_PORT']}/change").close()
        assert "restarted: proxy (no longer as it was started)" in clone.run("run").stderr
        assert {name for name in ALL if before[name] != clone.pids()[name]} == {"proxy"}
        assert "nothing restarted" in clone.run("run").stderr


def test_the_baseline_is_env_file_then_shell_of_up_then_this_shell(clone: FakeClone) -> None:
    """.env is read as it is now, and the shell in which `up` ran still counts."""
    with clone.up(UPSTREAM_SEED="7"):
        (clone.root / ".env").write_text("UPSTREAM_SEED=1\nUPSTREAM_CAPACITY=3\nPROXY_CLIENT=a\n")
        assert clone.run("run", PROXY_CLIENT="b").returncode == 0
        mock, proxy = clone.config("upstream-mock")["environment"], clone.config("proxy")["environment"]
    assert (mock["UPSTREAM_SEED"], mock["UPSTREAM_CAPACITY"], proxy["PROXY_CLIENT"]) == ("7", "3", "b")


def test_a_changed_link_moves_the_proxy(clone: FakeClone) -> None:
    """When the link's engine becomes a relay, the proxy is restarted to go through it."""
    with clone.up():
        run = clone.run("run", "NET_ENGINE=relay")
        assert "restarted: link, proxy" in run.stderr
        assert clone.config("proxy")["environment"]["PROXY_UPSTREAM_URL"].endswith(f":{clone.ports['NET_PORT']}")


def test_a_bad_setting_touches_nothing(clone: FakeClone) -> None:
    """All mistakes of all parts are said, exit 2, and no service was restarted."""
    with clone.up():
        before = clone.pids()
        run = clone.run("run", "PROXY_CLIENT=bad", "UPSTREAM_SEED=bad", "NET_RTT_MS=5")
        assert run.returncode == 2
        assert sorted(run.stderr.splitlines()) == [
            "PROXY_CLIENT='bad': no good; allowed: anything else",
            "UPSTREAM_SEED='bad': no good; allowed: anything else",
        ]
        assert clone.pids() == before


def test_a_bad_setting_starts_nothing(clone: FakeClone) -> None:
    """`up` with a bad setting names it and exits 2 without a process."""
    up = clone.run("up", "--processes", PROXY_CLIENT="bad")
    assert up.returncode == 2
    assert "PROXY_CLIENT='bad'" in up.stderr
    assert up.stdout == ""
    assert clone.open_ports() == []


def test_a_port_in_use_is_said_before_anything_starts(clone: FakeClone) -> None:
    """One line names the variable that moves the port, exit 3, and no service ran."""
    with socket.create_server(("127.0.0.1", clone.ports["LOCUST_WEB_PORT"])):
        up = clone.run("up", "--processes")
        port = clone.ports["LOCUST_WEB_PORT"]
        assert up.returncode == 3
        said = f"LOCUST_WEB_PORT={port}: already in use on 127.0.0.1; set LOCUST_WEB_PORT to a free port"
        assert up.stderr.splitlines() == [said]
        assert up.stdout == ""


def test_two_services_on_one_port_are_refused(clone: FakeClone) -> None:
    """The same port given to two services is bad settings, exit 2."""
    clone.ports["PROXY_PORT"] = clone.ports["UPSTREAM_PORT"]
    up = clone.run("up", "--processes")
    assert up.returncode == 2
    assert "UPSTREAM_PORT is that too" in up.stderr


def test_a_death_during_start_brings_all_down(clone: FakeClone) -> None:
    """A service that dies while everything starts is named with its last lines; the others are ended, exit 3."""
    up = clone.run("up", "--processes", PROXY_CLIENT="die")
    assert up.returncode == 3
    assert up.stderr.splitlines() == ["proxy ended with exit code 7; its last lines:", "  proxy cannot go on"]
    assert clone.open_ports() == []


async def test_the_same_reason_all_the_time_is_not_waited_out(clone: FakeClone) -> None:
    """A service that answers 503 with the same reason all the time is given up long before one that is silent."""
    variables = {**{name: str(port) for name, port in clone.ports.items()}, "PROXY_CLIENT": "never"}
    patience = Patience(ready_seconds=60, same_reason_seconds=0.5)
    supervisor = Supervisor(Checkout(clone.root), fake_services.SERVICES, SilentTerminal(), patience)
    began = time.monotonic()
    try:
        with pytest.raises(UnavailableError, match=r"proxy is not ready after \d+ s: the upstream sleeps \(http"):
            await supervisor.apply(variables)
    finally:
        await supervisor.stop()
    assert time.monotonic() - began < patience.ready_seconds / 2


def test_a_service_that_died_is_reported_and_started_by_the_next_run(clone: FakeClone) -> None:
    """A service that dies later is named loudly, the others stay, and a run starts it again."""
    with clone.up() as up:
        before = clone.pids()
        clone_port = clone.ports["PROXY_PORT"]
        with socket.create_connection(("127.0.0.1", clone_port)) as killer:
            killer.sendall(b"GET /die HTTP/1.0\r\n\r\n")
            killer.recv(1)
        assert up.stdout is not None
        said = ""
        for line in up.stdout:
            said += line
            if "the next run" in line:
                break
        assert "proxy ended with exit code 7; its last lines:\n  proxy listens\n  asked to die\n" in said
        assert clone.pids().keys() == ALL - {"proxy"}
        assert "restarted: proxy" in clone.run("run").stderr
        after = clone.pids()
        assert after.keys() == ALL
        assert after["link"] == before["link"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)])
def test_a_signal_ends_everything(clone: FakeClone, number: int, code: int) -> None:
    """Ctrl-C, SIGTERM and a closed terminal leave no process, no child of one, and no port."""
    with clone.up(LOCUST_PROCESSES="parent") as up:
        pids = [*clone.pids().values(), clone.config("locust")["child"]]
        up.send_signal(number)
        assert up.wait(timeout=20) == code
        _assert_nothing_left(clone, pids)


def test_ctrl_c_during_start_ends_everything(clone: FakeClone) -> None:
    """A start can be broken off, and leaves nothing."""
    with clone.start("up", "--processes", PROXY_CLIENT="slow") as up:
        eventually_sync(lambda: clone.pids().keys() >= {"upstream-mock", "link", "locust"}, within=10)
        pids = list(clone.pids().values())
        up.send_signal(signal.SIGINT)
        _, err = up.communicate(timeout=20)
        assert (up.returncode, err) == (130, "")
    _assert_nothing_left(clone, pids)


def test_a_second_ctrl_c_kills_at_once(clone: FakeClone) -> None:
    """A service that ignores SIGTERM is killed at once when one insists."""
    with clone.up(PROXY_CLIENT="stubborn") as up:
        pids = list(clone.pids().values())
        up.send_signal(signal.SIGINT)
        eventually_sync(lambda: clone.pids().keys() == {"upstream-mock", "link", "proxy"}, within=10)
        began = time.monotonic()
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=20) == 130
        assert time.monotonic() - began < GRACE_SECONDS / 2
        _assert_nothing_left(clone, pids)


def test_a_killed_supervisor_leaves_nothing(clone: FakeClone) -> None:
    """SIGKILL of the supervisor ends the services, their children, and one that ignores SIGTERM."""
    with clone.up(LOCUST_PROCESSES="parent", UPSTREAM_SEED="stubborn") as up:
        pids = [*clone.pids().values(), clone.config("locust")["child"]]
        os.kill(up.pid, signal.SIGKILL)
        up.wait(timeout=5)
        _assert_nothing_left(clone, pids)
    with clone.up():
        assert clone.pids().keys() == ALL


def test_down_stops_everything(clone: FakeClone) -> None:
    """`down` from elsewhere ends `up` with exit 0, and comes back when everything is gone."""
    with clone.up() as up:
        pids = list(clone.pids().values())
        down = clone.run("down")
        assert (down.returncode, down.stdout) == (0, "stopped\n")
        assert up.wait(timeout=10) == 0
        _assert_nothing_left(clone, pids)
    assert clone.run("down").stdout == "nothing is up\n"


def test_a_second_up_is_refused(clone: FakeClone) -> None:
    """One `up` a clone: the second names the first, exit 3."""
    with clone.up() as up:
        second = clone.run("up", "--processes")
        assert second.returncode == 3
        assert second.stderr.splitlines() == [
            f"the sandbox of this clone is up already (as processes, pid {up.pid}); ./sandbox down stops it"
        ]


def test_a_clone_that_lies_deep_has_a_socket_all_the_same(tmp_path: Path) -> None:
    """A path longer than a unix socket's may be is no hindrance."""
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    clone = FakeClone(deep)
    with clone.up():
        note = deep / ".sandbox" / "up.sock.path"
        folder = Path(note.read_text()).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        assert clone.run("down").stdout == "stopped\n"
        assert not folder.exists()
        assert not note.exists()


def test_the_socket_is_the_users_alone(clone: FakeClone) -> None:
    """No other user may talk to the supervisor."""
    with clone.up():
        assert (clone.root / ".sandbox" / "up.sock").stat().st_mode & 0o777 == 0o600


def test_a_closed_pipe_does_not_end_the_services(clone: FakeClone) -> None:
    """`up | head` leaves everything up."""
    with clone.up() as up:
        assert up.stdout is not None
        up.stdout.close()
        up.stdout = None
        assert clone.run("run", "PROXY_CLIENT=x").returncode == 0
        assert clone.pids().keys() == ALL
        up.send_signal(signal.SIGTERM)
        assert up.wait(timeout=20) == 0


def test_lines_are_prefixed_and_plain_without_a_terminal(clone: FakeClone) -> None:
    """Every line begins with its service; no escape sequence goes into a file."""
    with clone.start("up", "--processes") as up:
        assert up.stdout is not None
        said = [up.stdout.readline() for _ in range(4)]
        up.terminate()
        said.append(up.communicate(timeout=20)[0])
    assert "upstream-mock | upstream-mock listens\n" in said
    assert "proxy         | proxy listens\n" in said
    assert "\x1b" not in "".join(said)


def test_colours_on_a_terminal(clone: FakeClone) -> None:
    """On a terminal each service has its colour, and none with NO_COLOR."""
    for more, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        terminal, end = os.openpty()
        command, environment = clone.command("up", "--processes"), clone.environment(**more)
        with subprocess.Popen(
            command, env=environment, stdin=end, stdout=end, stderr=end, start_new_session=True
        ) as up:
            os.close(end)
            said = b""
            while b"is ready" not in said or b"proxy listens" not in said:  # in either order
                said += os.read(terminal, 65536)
            up.terminate()
            up.wait(timeout=20)
        os.close(terminal)
        assert (b"\x1b[36mproxy" in said) is coloured
