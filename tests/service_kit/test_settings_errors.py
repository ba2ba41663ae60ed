"""Settings from the environment, and one line for each mistake."""

import pytest

from service_kit.exits import ExitCode, UsageError
from service_kit.settings_errors import load, mistakes
from support.kit_settings import ServerSettings, Settings


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DEMO_PORT", "ten", "not a whole number; allowed: 1 to 65535"),
        ("DEMO_PORT", "1.5", "not a whole number; allowed: 1 to 65535"),
        ("DEMO_PORT", "0", "too small; allowed: 1 to 65535"),
        ("DEMO_PORT", "65536", "too large; allowed: 1 to 65535"),
        ("DEMO_PORT", "9" * 5000, "too large; allowed: 1 to 65535"),
        ("DEMO_TIMEOUT_SECONDS", "soon", "not a number; allowed: more than 0, up to 3600"),
        ("DEMO_TIMEOUT_SECONDS", "0", "too small; allowed: more than 0, up to 3600"),
        ("DEMO_TIMEOUT_SECONDS", "nan", "not a finite number; allowed: more than 0, up to 3600"),
        ("DEMO_RATE_MBIT", "0", "too small; allowed: 0.01 to 100000"),
        ("DEMO_SEED", "-1", "too small; allowed: 0 to 9223372036854775807"),
        ("DEMO_MODE", "loud", "not one of these; allowed: silent, rst"),
        ("DEMO_NAME", "Ten", "not allowed; allowed: small letters"),
        ("DEMO_ADMIN", "perhaps", "neither true nor false; allowed: true, false"),
        ("DEMO_URL", "ftp://x", "not a URL; allowed: http://host"),
        ("DEMO_SEEED", "2", "no such variable; did you mean DEMO_SEED?"),
        ("DEMO_COLOUR", "2", "no such variable"),
        ("SERVER_WORKERS", "65", "too large; allowed: 1 to 64"),
    ],
)
def test_a_mistake_is_one_line_with_variable_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    assert mistakes(Settings, ServerSettings) == [f"{name}='{value}': {sentence}"]


def test_a_value_with_a_line_break_is_still_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PORT", "1\n2")
    assert mistakes(Settings) == ["DEMO_PORT='1\\n2': not a whole number; allowed: 1 to 65535"]


def test_all_mistakes_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEMO_PORT", "DEMO_SEED", "DEMO_WRONG", "SERVER_WORKERS"):
        monkeypatch.setenv(name, "x")
    with pytest.raises(UsageError) as raised:
        load(Settings, ServerSettings)
    assert [line.partition("=")[0] for line in raised.value.lines] == [
        "DEMO_WRONG",
        "DEMO_PORT",
        "DEMO_SEED",
        "SERVER_WORKERS",
    ]
    assert str(raised.value).splitlines() == raised.value.lines
    assert raised.value.exit_code is ExitCode.USAGE


def test_a_contradiction_has_a_line_for_each_field_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is not set is shown at its default."""
    monkeypatch.setenv("DEMO_ADMIN", "true")
    monkeypatch.setenv("DEMO_MODE", "rst")
    assert mistakes(Settings) == ["DEMO_ADMIN='true': contradicts DEMO_MODE=rst", "DEMO_SEED='1': is not needed then"]


def test_settings_are_loaded_by_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PORT", "81")
    monkeypatch.setenv("server_workers", "3")
    settings, server = load(Settings, ServerSettings)
    assert (settings.port, server.workers) == (81, 3)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose passes unset variables as empty ones."""
    monkeypatch.setenv("DEMO_PORT", "")
    monkeypatch.setenv("DEMO_NO_SUCH", "")
    assert load(Settings)[0].port == 8000


def test_names_that_are_known_besides_the_fields_pass_and_are_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_LOGLEVEL", "DEBUG")
    assert mistakes(Settings, also_known=["DEMO_LOGLEVEL"]) == []
    monkeypatch.setenv("DEMO_LOG", "DEBUG")
    assert mistakes(Settings, also_known=["DEMO_LOGLEVEL", "DEMO_LOGFILE"]) == [
        "DEMO_LOG='DEBUG': no such variable; did you mean DEMO_LOGLEVEL or DEMO_LOGFILE?"
    ]
