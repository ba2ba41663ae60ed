"""Mistakes in the environment, and the environment that Locust gets."""

import json
import re
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest

from lab.run_settings import timespan_seconds
from loadtest.launch import locust_environment, read_settings
from loadtest.locust_variables import LOCUST_VARIABLES
from loadtest.settings import LocustSettings, Settings
from service_kit.exits import UsageError
from support.servers import check


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("LAB_", "LOCUST_")):
            monkeypatch.delenv(name)


def mistakes() -> list[str]:
    try:
        read_settings()
    except UsageError as error:
        return error.lines
    return []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("LOCUST_USERS", "ten", "LOCUST_USERS='ten': not a whole number; allowed: 1 to 10000"),
        ("LOCUST_USERS", "0", "LOCUST_USERS='0': too small; allowed: 1 to 10000"),
        ("LOCUST_SPAWN_RATE", "-1", "LOCUST_SPAWN_RATE='-1': too small; allowed: more than 0, up to 10000"),
        ("LOCUST_SPAWN_RATE", "inf", "LOCUST_SPAWN_RATE='inf': not a finite number; allowed: more than 0, up to 10000"),
        ("LOCUST_RUN_TIME", "soon", "LOCUST_RUN_TIME='soon': not a time; allowed: 1s to 24h, like 30s, 3m or 1h20m"),
        ("LOCUST_RUN_TIME", "0s", "LOCUST_RUN_TIME='0s': out of range; allowed: 1s to 24h, like 30s, 3m or 1h20m"),
        ("LOCUST_WEB_PORT", "70000", "LOCUST_WEB_PORT='70000': too large; allowed: 1 to 65535"),
        ("LOCUST_HEADLESS", "perhaps", "LOCUST_HEADLESS='perhaps': neither true nor false; allowed: true, false"),
        (
            "LOCUST_HOST",
            "ftp://x",
            "LOCUST_HOST='ftp://x': not a URL of a server; allowed: http://host:port or https://host",
        ),
        ("LOCUST_USER", "3", "LOCUST_USER='3': no such variable; did you mean LOCUST_USERS?"),
        ("LAB_REQUEST_PATH", "work", "LAB_REQUEST_PATH='work': not a path; allowed: a path that begins with /"),
        ("LAB_RUN_DIR", "x", "LAB_RUN_DIR='x': no such variable; did you mean LAB_RUNS_DIR?"),
        (
            "LAB_RUN_ID",
            "../x",
            "LAB_RUN_ID='../x': not allowed; allowed: up to 64 letters, digits, dots, dashes and underscores",
        ),
        (
            "LOCUST_RESET_STATS",
            "true",
            "LOCUST_RESET_STATS='true': forgets requests that the proxy has counted; allowed: unset",
        ),
    ],
)
def test_a_mistake_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str) -> None:
    """Variable, value, what is wrong and what is allowed."""
    monkeypatch.setenv(name, value)
    assert mistakes() == [line]


def test_two_roles_at_once_are_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is a master, a worker, or makes both itself."""
    monkeypatch.setenv("LOCUST_MODE_WORKER", "true")
    monkeypatch.setenv("LOCUST_PROCESSES", "2")
    assert mistakes() == [
        "LOCUST_PROCESSES='2': makes its own master and workers; "
        "allowed: LOCUST_MODE_MASTER and LOCUST_MODE_WORKER unset"
    ]


def test_empty_and_foreign_variables_are_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose passes empty values, and Locust has many variables of its own."""
    for name, value in {"LOCUST_USERS": "", "LAB_NO_SUCH": "", "LOCUST_LOGLEVEL": "DEBUG", "PROXY_X": "1"}.items():
        monkeypatch.setenv(name, value)
    assert mistakes() == []


def test_the_list_of_locusts_variables_is_complete() -> None:
    """Those that its sources name: its parser's, and those it reads itself."""
    sources = Path(str(find_spec("locust").submodule_search_locations[0])).rglob("*.py")  # type: ignore[union-attr,index]
    named = {name for path in sources for name in re.findall(r"""["'](LOCUST_[A-Z0-9_]+)["']""", path.read_text())}
    assert sorted(named | {"LOCUST_USER_CLASSES"}) == list(LOCUST_VARIABLES)


@pytest.mark.parametrize(("timespan", "expected"), [("20", 20), ("20s", 20), ("3m", 180), ("1h20m5s", 4805)])
def test_locusts_timespans_are_understood(timespan: str, expected: int) -> None:
    """As Locust itself reads them."""
    assert timespan_seconds(timespan) == expected


def test_locust_gets_defaults_and_no_empty_variable() -> None:
    """An empty LOCUST_USERS ends Locust; an unset spawn rate means all users at once."""
    given = {"LOCUST_USERS": "7", "LOCUST_RUN_TIME": "", "LAB_RUN_LABEL": "", "LOCUST_LOGLEVEL": "DEBUG", "PATH": ""}
    filled = locust_environment(given, Settings(), LocustSettings(users=7))
    assert filled["LOCUST_SPAWN_RATE"] == "7"
    assert filled["LOCUST_RUN_TIME"] == "30s"
    assert filled["LOCUST_STOP_TIMEOUT"] == "30s"
    assert filled["LOCUST_LOGLEVEL"] == "DEBUG"
    assert filled["PATH"] == ""
    assert not [name for name, value in filled.items() if name.startswith(("LAB_", "LOCUST_")) and value == ""]
    assert not {"LOCUST_HEADLESS", "LOCUST_MODE_MASTER", "LOCUST_PROCESSES"} & set(filled)


def test_processes_of_one_machine_meet_on_a_port_of_their_own() -> None:
    """Two sandboxes on one machine do not take one another's workers."""
    ports = [
        locust_environment({}, Settings(), LocustSettings(processes=2))["LOCUST_MASTER_BIND_PORT"] for _ in range(2)
    ]
    assert ports[0] != ports[1]


@pytest.mark.slow
def test_check_prints_all_mistakes_and_exits_2() -> None:
    """One line each, on standard error, and nothing else."""
    done = check("loadtest", "--check", LOCUST_USERS="many", LAB_PROGRESS="maybe")
    assert done.returncode == 2
    assert [line.split("=")[0] for line in done.stderr.splitlines()] == ["LAB_PROGRESS", "LOCUST_USERS"]
    assert done.stdout == ""
    assert check("loadtest", "--check", LOCUST_USERS="").returncode == 0


@pytest.mark.slow
def test_config_prints_the_load_in_force() -> None:
    """All users start at once where no rate is set, and one process makes the load."""
    settings = json.loads(check("loadtest", "--config", LOCUST_USERS="7").stdout)["settings"]
    assert settings["LOCUST_USERS"] == 7
    assert settings["LOCUST_SPAWN_RATE"] == 7
    assert settings["LOCUST_PROCESSES"] == 1


@pytest.mark.slow
def test_help_lists_every_variable() -> None:
    """With default and description."""
    text = check("loadtest", "--help").stdout
    assert "LOCUST_RUN_TIME=30s" in text
    assert "LAB_RUNS_DIR=runs" in text


@pytest.mark.slow
def test_a_port_in_use_is_one_line_and_exit_3() -> None:
    """Said before Locust starts, with the variable that moves it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = check("loadtest", LOCUST_WEB_PORT=port)
    assert done.returncode == 3
    assert done.stderr == (f"LOCUST_WEB_PORT={port}: already in use on 127.0.0.1; set LOCUST_WEB_PORT to a free port\n")
