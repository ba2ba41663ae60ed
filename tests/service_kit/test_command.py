"""--check, --config, --help, and the exit code for each way to end."""

import pytest

from service_kit.command import run
from service_kit.exits import UnavailableError
from service_kit.settings_errors import load
from support.kit_settings import ServerSettings, Settings


def start(*arguments: str, serving: BaseException | int = 0) -> int:
    def serve(loaded: tuple[Settings, ServerSettings]) -> int:
        assert loaded[1].workers
        if isinstance(serving, BaseException):
            raise serving
        return serving

    return run(
        "demo",
        arguments,
        description="Shows things.\n",
        models=(Settings, ServerSettings),
        load=lambda: load(Settings, ServerSettings),
        config=lambda loaded: {"workers": loaded[1].workers},
        serve=serve,
    )


@pytest.mark.parametrize(
    ("serving", "code", "line"),
    [(0, 0, ""), (7, 7, ""), (UnavailableError("DEMO_PORT=1: taken"), 3, "DEMO_PORT=1: taken\n")],
)
def test_serving_decides_the_exit_code(
    capsys: pytest.CaptureFixture[str], serving: BaseException | int, code: int, line: str
) -> None:
    assert start(serving=serving) == code
    assert capsys.readouterr() == ("", line)


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert start(serving=KeyboardInterrupt()) == 130
    assert capsys.readouterr() == ("", "")


def test_check_serves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert start("--check", serving=AssertionError()) == 0
    assert capsys.readouterr() == ("", "")


def test_config_prints_what_the_environment_comes_to_and_serves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert start("--config", serving=AssertionError()) == 0
    assert capsys.readouterr() == ('{"workers": 1}\n', "")


@pytest.mark.parametrize("arguments", [(), ("--check",), ("--config",)])
def test_mistakes_are_exit_2_before_anything_is_served(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DEMO_PORT", "ten")
    monkeypatch.setenv("SERVER_WORKERS", "0")
    assert start(*arguments, serving=AssertionError()) == 2
    out, err = capsys.readouterr()
    assert (out, [line.partition("=")[0] for line in err.splitlines()]) == ("", ["DEMO_PORT", "SERVER_WORKERS"])


def test_an_unknown_argument_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert start("--check", "--chekc", serving=AssertionError()) == 2
    assert capsys.readouterr().err == "python -m demo: unknown argument '--chekc'; allowed: --check, --config, --help\n"


@pytest.mark.parametrize("argument", ["--help", "-h"])
def test_help_names_every_variable_with_its_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argument: str
) -> None:
    """Whatever the environment holds."""
    monkeypatch.setenv("DEMO_PORT", "ten")
    assert start(argument, serving=AssertionError()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["usage: python -m demo [--check | --config | --help]", "", "Shows things."]
    assert {
        "  DEMO_PORT=8000",
        "      Where it listens.",
        "  DEMO_ADMIN=false",
        "  DEMO_FOLDER=",
        "  SERVER_WORKERS=1",
    } < set(lines)
