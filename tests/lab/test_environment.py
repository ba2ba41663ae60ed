"""Where a variable's value comes from, and what is no variable at all."""

from pathlib import Path

import pytest

from lab.backends.service_spec import ServiceSpec, Wires, port_numbers, process_environment
from lab.backends.services import LINK, LOCUST, PROXY, SERVICES, UPSTREAM_MOCK
from lab.backends.variables import RunVariables, merge, parse_assignments, read_env_file, without_empty
from lab.wire.link import LinkConfig
from service_kit.exits import UsageError

NAME = "PROXY_MAX_CONNECTIONS"


@pytest.mark.parametrize(
    ("env_file", "shell_of_up", "shell", "assignment", "wins"),
    [
        (None, None, None, None, None),
        ("1", None, None, None, "1"),
        ("1", "2", None, None, "2"),
        ("1", "2", "3", None, "3"),
        ("1", "2", "3", "4", "4"),
        ("1", None, None, "4", "4"),
        (None, "2", None, "4", "4"),
        ("1", "", None, None, None),
        ("1", "2", "3", "", None),
        ("1", " ", None, None, None),
        ("", None, "3", None, "3"),
    ],
)
def test_precedence(
    env_file: str | None, shell_of_up: str | None, shell: str | None, assignment: str | None, wins: str | None
) -> None:
    """Defaults < .env < the shell of `up` < this shell < VAR=value; an empty value hides what is below it."""
    layers = [{NAME: value} if value is not None else {} for value in (env_file, shell_of_up, shell, assignment)]
    settings = RunVariables(baseline=merge(*layers[:3]), assignments=layers[3])
    assert without_empty(settings.services).get(NAME) == wins
    assert without_empty(settings.load).get(NAME) == wins


def test_env_file_is_taken_literally(tmp_path: Path) -> None:
    """Comments and quotes are understood, `$` is left alone, and other people's variables are left out."""
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\nUPSTREAM_LATENCY='lognormal(100ms, p99=400ms)'  # and one more\n"
        "PROXY_UPSTREAM_URL=http://host/$HOME/${NET_PORT}\n"
        "export NET_PROFILE=\nPATH=/nowhere\nCOMPOSE_PROJECT_NAME=mine\n"
    )
    assert read_env_file(file) == {
        "UPSTREAM_LATENCY": "lognormal(100ms, p99=400ms)",
        "PROXY_UPSTREAM_URL": "http://host/$HOME/${NET_PORT}",
        "NET_PROFILE": "",
        "COMPOSE_PROJECT_NAME": "mine",
    }
    assert read_env_file(tmp_path / "none") == {}


def test_a_line_of_env_without_a_variable_is_a_mistake(tmp_path: Path) -> None:
    """Every line that cannot be read is named with its number and its text; the file is not taken in part."""
    file = tmp_path / ".env"
    file.write_text("NET_RTT_MS=5\n\nPROXY MAX=3\nPROXY_CLIENT=httpx\n=5\n")
    with pytest.raises(UsageError) as refused:
        read_env_file(file)
    assert str(refused.value).splitlines() == [
        ".env:3: 'PROXY MAX=3': not a NAME=value",
        ".env:5: '=5': not a NAME=value",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["PROXY_MAX_CONNECTIONS"], "not a VAR=value"),
        (["proxy_max_connections=3"], "variables are upper case: PROXY_MAX_CONNECTIONS=3"),
        (["=3"], "not a VAR=value"),
        (["PATH=/bin"], "no part has such a variable"),
        (["COMPOSE_PROJECT_NAME=x"], "no part has such a variable"),
        (["NET_RTT_MS=1", "NET_RTT_MS=2"], "given twice"),
        (["NET_RTT_MS=1\n2"], "one line"),
    ],
)
def test_what_is_no_assignment(words: list[str], message: str) -> None:
    """A word that is no VAR=value of a part is refused in one line."""
    with pytest.raises(UsageError, match=message) as refused:
        parse_assignments(words)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


def test_assignments_keep_what_follows_the_first_equals_sign() -> None:
    """A value may hold equals signs, blanks and nothing at all."""
    words = ["UPSTREAM_LATENCY=lognormal(100ms, p99=400ms)", "NET_PROFILE="]
    assert parse_assignments(words) == {"UPSTREAM_LATENCY": "lognormal(100ms, p99=400ms)", "NET_PROFILE": ""}


def test_the_load_is_not_the_services_business() -> None:
    """Variables of the load restart nothing, the Locust UI least of all."""
    settings = RunVariables({"LOCUST_USERS": "20", "NET_RTT_MS": "5"}, {"LOCUST_USERS": "40", "PROXY_CLIENT": "httpx"})
    assert settings.services == {"LOCUST_USERS": "20", "NET_RTT_MS": "5", "PROXY_CLIENT": "httpx"}
    assert settings.load["LOCUST_USERS"] == "40"


def test_only_real_differences_are_said() -> None:
    """What the command line sets to what it was anyway is no difference."""
    settings = RunVariables({"NET_RTT_MS": "5", "PROXY_CLIENT": "httpx"}, {"NET_RTT_MS": "5 ", "PROXY_CLIENT": ""})
    assert settings.differences() == [("PROXY_CLIENT", "httpx", "")]


def _environment(spec: ServiceSpec, variables: dict[str, str], engine: str = "off") -> dict[str, str]:
    wires = Wires(
        port_numbers(SERVICES, variables), Path("/clone/runs"), {"link": LinkConfig(settings={}, engine=engine)}
    )
    return spec.environment(variables, wires)


def test_a_part_gets_its_own_variables_only() -> None:
    """No part gets another part's variables, nor an empty one."""
    variables = {"PROXY_CLIENT": "httpx", "UVICORN_WORKERS": "2", "UPSTREAM_SEED": "3", "PROXY_HTTP2": ""}
    assert _environment(PROXY, variables) == {
        "PROXY_CLIENT": "httpx",
        "UVICORN_WORKERS": "2",
        "PROXY_UPSTREAM_URL": "http://127.0.0.1:8001",
        "PROXY_ADMIN": "true",
    }
    assert _environment(UPSTREAM_MOCK, variables) == {"UPSTREAM_SEED": "3"}


def test_wiring_follows_the_ports() -> None:
    """A port that is moved is moved for the parts that call it, too."""
    variables = {"UPSTREAM_PORT": "1801", "UPSTREAM_CONTROL_PORT": "1891", "NET_CONTROL_PORT": "1892"}
    variables |= {"NET_PORT": "1802", "PROXY_PORT": "1800"}
    assert _environment(LINK, variables)["NET_UPSTREAM_PORT"] == "1801"
    assert _environment(PROXY, variables)["PROXY_UPSTREAM_URL"] == "http://127.0.0.1:1801"
    assert _environment(PROXY, variables, "tun")["PROXY_UPSTREAM_URL"] == "http://127.0.0.1:1801"
    assert _environment(PROXY, variables, "relay")["PROXY_UPSTREAM_URL"] == "http://127.0.0.1:1802"
    assert _environment(LOCUST, variables) == {
        "LOCUST_HOST": "http://127.0.0.1:1800",
        "LAB_UPSTREAM_CONTROL_URL": "http://127.0.0.1:1891",
        "LAB_NET_CONTROL_URL": "http://127.0.0.1:1892",
        "LAB_RUNS_DIR": "/clone/runs",
    }


def test_the_user_may_set_the_upstream() -> None:
    """Any HTTP upstream can be behind the proxy, whatever the link does."""
    variables = {"PROXY_UPSTREAM_URL": "http://elsewhere:9000"}
    assert _environment(PROXY, variables, "relay")["PROXY_UPSTREAM_URL"] == "http://elsewhere:9000"


def test_a_process_inherits_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process gets PATH and its like, and nothing else of the shell."""
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PROXY_CLIENT", "from the shell")
    monkeypatch.setenv("PATH", "/bin")
    found = process_environment({"PROXY_PORT": "1"})
    assert found["PATH"] == "/bin"
    assert found["PROXY_PORT"] == "1"
    assert not {"SECRET_TOKEN", "PYTHONPATH", "PROXY_CLIENT"} & found.keys()
