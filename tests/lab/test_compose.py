"""The Compose driver, against a `docker` command that only pretends."""

import json
import signal
import socket
from pathlib import Path

import pytest

from lab.backends.checkout import Checkout
from lab.backends.compose.project import ComposeProject, Container, parse_containers
from lab.backends.compose.run import ComposeRun
from lab.backends.variables import RunVariables
from lab.backends.workspace import Workspace
from service_kit.exits import UnavailableError
from support import fake_services
from support.eventually import eventually_sync
from support.fake_clone import FakeClone, is_alive
from support.fake_docker import State, install

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path: Path) -> FakeClone:
    """Give a clone in which nothing is up."""
    return FakeClone(tmp_path)


@pytest.fixture
def engine(clone: FakeClone) -> State:
    """Give its engine."""
    return install(clone.root)


def test_containers_of_old_and_new_compose() -> None:
    """Compose prints an object a line; older ones print a list, and nothing at all for nothing."""
    published = [{"URL": "127.0.0.1", "TargetPort": 8000, "PublishedPort": 8000, "Protocol": "tcp"}]
    rows = [
        {"Service": "proxy", "ID": "1", "Health": "starting", "Publishers": published},
        {"Service": "link", "ID": "2", "Publishers": [{"TargetPort": 8002, "PublishedPort": 0}]},
    ]
    containers = [Container("proxy", "1", is_healthy=False, ports=frozenset({8000})), Container("link", "2")]
    assert parse_containers("\n".join(map(json.dumps, rows)) + "\n") == containers
    assert parse_containers(json.dumps(rows)) == containers
    assert parse_containers("") == parse_containers("[]") == []


def test_a_one_off_container_starts_nothing_else(tmp_path: Path) -> None:
    """The headless run gets its variables one by one, no terminal, no dependencies, and is removed."""
    argv = ComposeProject(tmp_path, {}).run_argv(
        "locust", {"LOCUST_USERS": "40", "LAB_RUN_LABEL": "a b"}, "--name", "x"
    )
    assert argv == (
        *("docker", "compose", "run", "--rm", "-T", "--no-deps"),
        *("-e", "LAB_RUN_LABEL=a b", "-e", "LOCUST_USERS=40", "--name", "x", "locust"),
    )


def test_an_empty_value_reaches_compose(tmp_path: Path) -> None:
    """Compose reads .env itself, so what is unset on top of it must be given as empty."""
    assert ComposeProject(tmp_path, {"PROXY_CLIENT": ""}).environment["PROXY_CLIENT"] == ""


def test_a_mock_that_speaks_https_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """UPSTREAM_TLS alone wires the proxy to it; `off` does not, nor does it if PROXY_UPSTREAM_URL is set."""
    for name in ("UPSTREAM_TLS", "PROXY_UPSTREAM_URL", "PROXY_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    https = {"PROXY_UPSTREAM_URL": "https://upstream-mock:8001", "PROXY_CA_FILE": "/certificates/ca.pem"}
    assert https.items() <= ComposeProject(tmp_path, {"UPSTREAM_TLS": "1.3"}).environment.items()
    for unset in ({}, {"UPSTREAM_TLS": ""}, {"UPSTREAM_TLS": "off"}):
        assert not https.keys() & ComposeProject(tmp_path, unset).environment.keys()
    other = {"UPSTREAM_TLS": "on", "PROXY_UPSTREAM_URL": "https://example.org"}
    assert ComposeProject(tmp_path, other).environment["PROXY_UPSTREAM_URL"] == "https://example.org"
    assert "PROXY_CA_FILE" not in ComposeProject(tmp_path, other).environment


def test_a_run_of_its_own(clone: FakeClone, engine: State) -> None:
    """With nothing up and an engine there, `run` takes Docker, starts only what it needs, and takes it down again."""
    run = clone.run("run", "--users", "7", "--json", "PROXY_MAX_CONNECTIONS=40")
    assert run.returncode == 0, run.stderr
    assert "started: link, proxy, upstream-mock" in run.stderr
    document = json.loads(run.stdout)
    assert json.loads((clone.root / "runs" / f"{document['id']}.json").read_text())["id"] == document["id"]
    assert document["settings"]["start"]["load"]["LOCUST_USERS"] == "7"
    assert engine.read()["containers"] == {}
    (up,) = engine.calls("up")
    assert {"--detach", "--wait", "--build"} <= set(up)


def test_runs_on_what_is_up_recreate_only_what_differs(clone: FakeClone, engine: State) -> None:
    """The next run brings the baseline back; the load's own variables recreate nothing, not even the UI."""
    with clone.start("up", "--docker", PROXY_CLIENT="httpx") as up:
        assert up.stdout is not None
        assert any("it serves" in line and "\x1b" not in line for line in iter(up.stdout.readline, ""))
        first = clone.run("run", "--users", "7", "PROXY_MAX_CONNECTIONS=40")
        assert "restarted: proxy\n" in first.stderr
        assert engine.read()["containers"]["proxy"]["environment"] == {
            "PROXY_MAX_CONNECTIONS": "40",
            "PROXY_CLIENT": "httpx",
        }
        assert "restarted: proxy\n" in clone.run("run").stderr
        assert "nothing restarted" in clone.run("run", "--time", "1s").stderr
        assert clone.run("down").stdout == "stopped\n"
        out, err = up.communicate(timeout=20)
    assert (up.returncode, err) == (0, "")
    assert "everything is stopped" in out
    assert not (clone.root / ".sandbox" / "docker-shell.json").exists()


def test_ctrl_c_takes_it_down(clone: FakeClone, engine: State) -> None:
    """Ctrl-C of `up --docker` ends in `docker compose down`, exit 130."""
    with clone.start("up", "--docker") as up:
        assert up.stdout is not None
        for line in up.stdout:
            if "it serves" in line:
                break
        second = clone.run("up", "--docker")
        assert (second.returncode, "up already (in Docker, pid" in second.stderr) == (3, True)
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=20) == 130
    assert engine.read()["containers"] == {}


def test_ctrl_c_while_containers_start(clone: FakeClone, engine: State) -> None:
    """`docker compose up` is ended first, plugin and all; what does not listen yet gets 5 s, not its whole grace."""
    with clone.start("up", "--docker", NET_PROFILE="slow") as up:
        eventually_sync((clone.root / "plugin.pid").exists, within=10)
        up.send_signal(signal.SIGINT)
        out, _ = up.communicate(timeout=30)  # less than the whole grace
    assert up.returncode == 130
    assert "stopping (up to 5 s; Ctrl-C again: at once)" in out
    assert not is_alive(int((clone.root / "plugin.pid").read_text()))
    assert engine.read()["calls"][-1][-2:] == ["--timeout", "5"]
    assert engine.read()["containers"] == {}


def test_a_second_ctrl_c_kills_the_containers(clone: FakeClone, engine: State) -> None:
    """A second Ctrl-C does not wait for `docker compose down`."""
    with clone.start("up", "--docker", NET_PROFILE="stubborn") as up:
        assert up.stdout is not None
        for line in up.stdout:
            if "it serves" in line:
                break
        up.send_signal(signal.SIGINT)
        eventually_sync((clone.root / "down.began").exists, within=10)
        up.send_signal(signal.SIGINT)
        out, _ = up.communicate(timeout=20)
    assert up.returncode == 130
    assert "stopping (up to 35 s" in out
    assert engine.read()["containers"] == {}


def test_doctor_names_a_container_that_does_not_run(clone: FakeClone, engine: State) -> None:
    """Its port, if in use, belongs to another program; ports that Compose does not publish are left out."""
    state = engine.read()
    state["containers"] = {name: {"id": name, "environment": {}} for name in ("link", "upstream-mock", "locust")}
    engine.write(state)
    with (
        socket.create_server(("127.0.0.1", clone.ports["PROXY_PORT"])),
        socket.create_server(("127.0.0.1", clone.ports["LOCUST_WEB_PORT"])),
        socket.create_server(("127.0.0.1", clone.ports["UPSTREAM_PORT"])),
    ):
        said = clone.run("doctor").stdout
    assert "by another program; set PROXY_PORT to a free port" in said
    assert said.count("by the sandbox itself") == 1
    assert str(clone.ports["UPSTREAM_PORT"]) not in said
    assert "Not running: proxy;" in said


def test_a_service_that_does_not_become_healthy(clone: FakeClone, engine: State) -> None:
    """Compose's last lines are shown, exit 3, and nothing is left up."""
    up = clone.run("up", "--docker", NET_PROFILE="broken")
    assert up.returncode == 3
    assert up.stderr.splitlines() == ["docker compose up failed (exit 1):", "  container fake-link-1 is unhealthy"]
    assert engine.read()["containers"] == {}


def test_bad_settings_never_reach_the_engine(clone: FakeClone, engine: State) -> None:
    """The parts' own checks come first, in Docker too."""
    for command in ("up", "run"):
        refused = clone.run(command, "--docker", PROXY_CLIENT="bad")
        assert refused.returncode == 2
        assert refused.stderr == "PROXY_CLIENT='bad': no good; allowed: anything else\n"
    assert engine.calls("up") == []


def test_a_published_port_in_use(clone: FakeClone, engine: State) -> None:
    """A port that Compose would publish is checked first, and named with its variable."""
    with socket.create_server(("127.0.0.1", clone.ports["PROXY_PORT"])):
        up = clone.run("up", "--docker")
    assert up.returncode == 3
    assert f"PROXY_PORT={clone.ports['PROXY_PORT']}: already in use" in up.stderr
    assert engine.calls("up") == []


def test_a_port_that_only_the_engine_finds_in_use(clone: FakeClone, engine: State) -> None:
    """The engine's error becomes the line that names the variable, as with processes."""
    up = clone.run("up", "--docker", NET_PROFILE="taken")
    port = clone.ports["PROXY_PORT"]
    said = f"PROXY_PORT={port}: already in use on 127.0.0.1; set PROXY_PORT to a free port"
    assert (up.returncode, up.stderr.splitlines()) == (3, [said])


def test_ports_of_the_project_itself(clone: FakeClone, engine: State) -> None:
    """They hinder no run in Docker; `up --processes` names the project that holds them."""
    port, state = clone.ports["PROXY_PORT"], engine.read()
    state["containers"] = {"proxy": {"id": "p", "environment": {}, "ports": [port]}}
    engine.write(state)
    with socket.create_server(("127.0.0.1", port)):
        up = clone.run("up", "--processes")
        run = clone.run("run")
    said = (
        f"PROXY_PORT={port}: in use by the service proxy of this checkout's own Docker Compose project; "
        "./sandbox down stops it"
    )
    assert (up.returncode, up.stderr.splitlines()) == (3, [said])
    assert run.returncode == 0, run.stderr


async def test_a_file_that_cannot_be_fetched(clone: FakeClone, engine: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that is not in the volume is reported in one line."""
    monkeypatch.setenv("PATH", str(clone.root / "bin"))
    with pytest.raises(UnavailableError, match=r"cannot fetch /runs/none\.json"):
        await ComposeProject(clone.root, {}).cat("locust", "/runs/none.json")


def test_doctor_takes_docker(clone: FakeClone, engine: State) -> None:
    """Where an engine answers, `up` will take Docker."""
    doctor = clone.run("doctor").stdout
    assert "engine 20.10.24, Compose 2.26.1" in doctor
    assert doctor.splitlines()[-1] == "`./sandbox up` will take Docker."


async def test_what_the_proxy_takes_live_stays_live_beside_what_it_does_not(
    clone: FakeClone, engine: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep over pool and network: the link is made anew where its settings change, the proxy is not."""
    for name, value in clone.environment().items():
        monkeypatch.setenv(name, value)
    workspace = Workspace(Checkout(clone.root), fake_services.SERVICES, fake_services.LOCUST)
    run = ComposeRun(workspace, own=True)

    def cell(connections: str, rtt_ms: str, **more: str) -> RunVariables:
        swept = {"PROXY_MAX_CONNECTIONS": connections, "NET_RTT_MS": rtt_ms}
        return RunVariables(workspace.baseline(), swept | more)

    await run.apply(cell("5", "0"))
    state = engine.read()
    made = state["containers"]["proxy"]
    made["ports"] = [clone.ports["PROXY_PORT"]]
    engine.write(state)
    with clone.part("proxy"):
        both = await run.apply(cell("10", "20"))
        assert (both.changed, both.restarted) == (["proxy"], ["link"])
        of_link = await run.apply(cell("10", "40"))
        assert (of_link.changed, of_link.restarted) == ([], ["link"])
        of_proxy = await run.apply(cell("20", "40"))
        assert (of_proxy.changed, of_proxy.restarted) == (["proxy"], [])
        refused = await run.apply(cell("20", "40", PROXY_CLIENT="aiohttp"))
        assert (refused.changed, refused.restarted) == ([], ["proxy"]), "what it refuses takes a restart"
    containers = engine.read()["containers"]
    assert containers["link"]["environment"]["NET_RTT_MS"] == "40"
