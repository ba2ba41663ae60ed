import json

import pytest

from proxy.settings import ServerSettings, Settings, derived, in_force
from service_kit.settings_errors import mistakes
from support.servers import check

MISTAKES = [
    ("PROXY_MAX_CONNECTIONS", "ten", "not a whole number; allowed: 1 to 10000"),
    ("PROXY_MAX_CONNECTIONS", "0", "too small; allowed: 1 to 10000"),
    ("PROXY_MAX_CONNECTIONS", "-3", "too small; allowed: 1 to 10000"),
    ("PROXY_MAX_CONNECTIONS", "2.5", "not a whole number; allowed: 1 to 10000"),
    ("PROXY_MAX_KEEPALIVE_CONNECTIONS", "x", "not a whole number; allowed: 0 to 10000"),
    ("PROXY_POOL_TIMEOUT_SECONDS", "0", "too small; allowed: more than 0, up to 3600"),
    ("PROXY_READ_TIMEOUT_SECONDS", "soon", "not a number; allowed: more than 0, up to 3600"),
    ("PROXY_READ_TIMEOUT_SECONDS", "nan", "not a finite number; allowed: more than 0, up to 3600"),
    ("PROXY_KEEPALIVE_EXPIRY_SECONDS", "-1", "too small; allowed: 0 to 86400"),
    ("PROXY_PORT", "65536", "too large; allowed: 1 to 65535"),
    ("PROXY_PORT", "0", "too small; allowed: 1 to 65535"),
    ("PROXY_CLIENT", "curl", "not one of these; allowed: httpx"),
    ("PROXY_UPSTREAM_URL", "nowhere", "not a URL of an HTTP server; allowed: http://host[:port][/path] or https://..."),
    ("PROXY_UPSTREAM_URL", "ftp://a", "not a URL of an HTTP server; allowed: http://host[:port][/path] or https://..."),
    ("PROXY_UPSTREAM_URL", "http://a:99999", "not a URL of an HTTP server"),
    ("PROXY_UPSTREAM_URL", "http://u:p@a", "holds more than a server"),
    ("PROXY_MAX_CONECTIONS", "5", "no such variable; did you mean PROXY_MAX_CONNECTIONS?"),
    ("PROXY_KEEPALIVE", "5", "no such variable; did you mean PROXY_KEEPALIVE_EXPIRY_SECONDS?"),
    ("UVICORN_WORKERS", "0", "too small; allowed: 1 to 64"),
    ("UVICORN_HTTP", "h2", "not one of these; allowed: auto, h11, httptools"),
]


@pytest.mark.parametrize(("name", "value", "says"), MISTAKES)
def test_a_mistake_is_one_line_with_variable_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    """Every wrong value gives exactly one line that names it."""
    monkeypatch.setenv(name, value)
    lines = mistakes(Settings, ServerSettings)
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}='{value}': {says}")


def test_keepalive_set_above_connections_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names both variables."""
    monkeypatch.setenv("PROXY_MAX_CONNECTIONS", "3")
    monkeypatch.setenv("PROXY_MAX_KEEPALIVE_CONNECTIONS", "4")
    assert mistakes(Settings) == [
        "PROXY_MAX_KEEPALIVE_CONNECTIONS='4': more than PROXY_MAX_CONNECTIONS=3 can ever be idle; allowed: 0 to 3"
    ]


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose passes every variable through, most of them empty."""
    monkeypatch.setenv("PROXY_MAX_CONNECTIONS", "")
    assert Settings().max_connections == 10
    monkeypatch.setenv("PROXY_NONSENSE", "")
    assert mistakes(Settings) == []


@pytest.mark.parametrize(("connections", "kept"), [(3, 3), (5, 5), (10, 5), (40, 5)])
def test_unset_keepalive_is_five_but_no_more_than_there_are_connections(connections: int, kept: int) -> None:
    """And it is shown as what it comes to."""
    settings = Settings(max_connections=connections)
    assert settings.keepalive_connections == kept
    assert in_force(settings, ServerSettings())["PROXY_MAX_KEEPALIVE_CONNECTIONS"] == kept


def test_what_was_left_unset_and_is_shown_with_a_value_is_derived() -> None:
    server = ServerSettings()
    assert derived(Settings(max_connections=3), server) == ["PROXY_MAX_KEEPALIVE_CONNECTIONS"]
    assert derived(Settings(max_connections=3, max_keepalive_connections=3), server) == []


@pytest.mark.slow
def test_check_names_every_mistake_and_exits_2() -> None:
    """Nothing is served, nothing is printed to stdout."""
    result = check("proxy", "--check", PROXY_MAX_CONNECTIONS="ten", UVICORN_WORKERS="0")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "PROXY_MAX_CONNECTIONS='ten': not a whole number; allowed: 1 to 10000",
        "UVICORN_WORKERS='0': too small; allowed: 1 to 64",
    ]


@pytest.mark.slow
def test_a_right_environment_passes_in_silence() -> None:
    """Exit 0 and not a word."""
    result = check("proxy", "--check", PROXY_MAX_CONNECTIONS="40")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.slow
def test_config_prints_the_settings_in_force() -> None:
    settings = json.loads(check("proxy", "--config", PROXY_MAX_CONNECTIONS="3").stdout)["settings"]
    assert settings["PROXY_MAX_KEEPALIVE_CONNECTIONS"] == 3
    assert settings["UVICORN_WORKERS"] == 1


@pytest.mark.slow
def test_help_describes_every_variable() -> None:
    """Each name stands in it with its default."""
    text = check("proxy", "--help").stdout
    for model in (Settings, ServerSettings):
        for field in model.model_fields:
            assert f"{model.model_config['env_prefix']}{field.upper()}=" in text


@pytest.mark.slow
def test_a_start_with_a_mistake_exits_2_before_it_listens() -> None:
    """The same line as with --check."""
    result = check("proxy", PROXY_PORT="99999")
    assert result.returncode == 2
    assert result.stderr == "PROXY_PORT='99999': too large; allowed: 1 to 65535\n"
