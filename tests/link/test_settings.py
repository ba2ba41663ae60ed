"""The NET_ variables: defaults, profiles, overrides, mistakes and contradictions."""

import json
import subprocess
import sys

import pytest

from link.model import Conditions
from link.profiles import PROFILES, Profile
from link.settings import Settings, configured
from service_kit.settings_errors import mistakes


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(f"NET_{field.upper()}", raising=False)


def said(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    """Return the mistakes of an environment with just these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return mistakes(Settings)


def test_without_variables_nothing_is_emulated() -> None:
    """The default profile is same-host: no round trip, no jitter, no limit."""
    assert Settings().conditions.nothing


def test_a_profile_is_added_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line in PROFILES is all that NET_PROFILE needs to take it, and a misspelt one is answered with all of them."""
    moon = Profile(rtt_ms=2560, jitter_ms=5, loss_pct=0.1, bw_down_mbit=100, bw_up_mbit=20)
    monkeypatch.setitem(PROFILES, "moon", moon)
    assert said(monkeypatch, NET_PROFILE="moon") == []
    assert configured(Settings().conditions)["rtt_ms"] == 2560
    assert Settings().conditions == Conditions(rtt=2.56, jitter=0.005, loss=0.001, down=100e6, up=20e6)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_needs_no_other_variable(name: str) -> None:
    """No profile contradicts itself."""
    assert Settings(profile=name).conditions.rtt == PROFILES[name].rtt_ms / 1e3


def test_a_value_overrides_the_profile() -> None:
    """One variable changes one value of the profile, zero included, and leaves the others."""
    profile = PROFILES["slow-4g"]
    assert Settings(profile="slow-4g", jitter_ms=0).conditions == Conditions(
        rtt=0.15, jitter=0.0, down=1.6e6, up=0.75e6, queue=0.1
    )
    assert Settings(profile="slow-4g", bw_up_mbit=3).conditions.up == 3e6
    assert configured(Settings(profile="slow-4g").conditions)["bw_down_mbit"] == profile.bw_down_mbit


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose passes unset variables as empty ones."""
    assert said(monkeypatch, NET_RTT_MS="", NET_PROFILE="", NET_NOSUCH="") == []
    assert Settings().rtt_ms is None


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("NET_RTT_MS", "ten", "NET_RTT_MS='ten': not a number; allowed: 0 to 10000"),
        ("NET_RTT_MS", "-1", "NET_RTT_MS='-1': too small; allowed: 0 to 10000"),
        ("NET_RTT_MS", "nan", "NET_RTT_MS='nan': not a finite number; allowed: 0 to 10000"),
        ("NET_JITTER_MS", "10001", "NET_JITTER_MS='10001': too large; allowed: 0 to 10000"),
        ("NET_BW_DOWN_MBIT", "0", "NET_BW_DOWN_MBIT='0': too small; allowed: 0.01 to 100000"),
        ("NET_PORT", "70000", "NET_PORT='70000': too large; allowed: 1 to 65535"),
        ("NET_PORT", "1.5", "NET_PORT='1.5': not a whole number; allowed: 1 to 65535"),
        ("NET_PROFILE", "mars", f"NET_PROFILE='mars': not one of these; allowed: {', '.join(PROFILES)}"),
        ("NET_ENGINE", "tc", "NET_ENGINE='tc': not one of these; allowed: auto, tun, relay, off"),
        ("NET_RTTMS", "40", "NET_RTTMS='40': no such variable; did you mean NET_RTT_MS?"),
        ("NET_SEED", "-1", "NET_SEED='-1': too small; allowed: 0 to 9223372036854775807"),
    ],
)
def test_a_mistake_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str) -> None:
    """A mistake is said with the variable, its value, what is wrong and what is allowed."""
    assert said(monkeypatch, **{name: value}) == [line]


@pytest.mark.parametrize(
    ("variables", "start"),
    [
        ({"NET_ENGINE": "off", "NET_RTT_MS": "40"}, "NET_ENGINE='off': contradicts NET_RTT_MS=40"),
        ({"NET_ENGINE": "off", "NET_PROFILE": "3g"}, "NET_ENGINE='off': contradicts NET_PROFILE=3g"),
        (
            {"NET_RTT_MS": "5", "NET_JITTER_MS": "6"},
            "NET_JITTER_MS='6': jitter of 6 ms is above the round trip of 5 ms",
        ),
        ({"NET_PROFILE": "3g", "NET_RTT_MS": "5"}, "NET_RTT_MS='5': jitter of 60 ms is above the round trip of 5 ms"),
        ({"NET_QUEUE_MS": "50"}, "NET_QUEUE_MS='50': there is no bandwidth to queue for"),
        ({"NET_CONTROL_PORT": "8002"}, "NET_CONTROL_PORT='8002': the same as NET_PORT"),
        ({"NET_PORT": "8001"}, "NET_PORT='8001': the same as NET_UPSTREAM_PORT"),
    ],
)
def test_a_contradiction_names_both_sides(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], start: str
) -> None:
    """Two values that cannot both hold are one mistake with one line."""
    lines = said(monkeypatch, **variables)
    assert len(lines) == 1
    assert lines[0].startswith(start)
    assert "; allowed: " in lines[0] or ", which needs one; allowed" in lines[0]


def test_all_mistakes_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they can be corrected together."""
    assert len(said(monkeypatch, NET_RTT_MS="x", NET_PORT="0", NET_WRONG="1")) == 3


def link(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m link` with just these variables."""
    return subprocess.run(
        [sys.executable, "-m", "link", *arguments],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.slow
def test_check_is_silent_when_all_is_well() -> None:
    """`--check` exits 0 and prints nothing."""
    done = link("--check", NET_RTT_MS="40")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_config_prints_what_the_settings_come_to() -> None:
    """The profile's values, and one of its own above them."""
    done = link("--config", NET_PROFILE="cross-region", NET_JITTER_MS="1")
    config = json.loads(done.stdout)
    assert config["settings"]["NET_RTT_MS"] is None
    assert {name: config["configured"][name] for name in ("rtt_ms", "jitter_ms")} == {"rtt_ms": 70, "jitter_ms": 1}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--check"], []])
def test_bad_settings_exit_2_before_anything_listens(arguments: list[str]) -> None:
    """With `--check` and at a normal start alike, the lines are on stderr and nothing else is anywhere."""
    done = link(*arguments, NET_RTT_MS="ten", NET_PORT="0")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "NET_PORT='0': too small; allowed: 1 to 65535",
        "NET_RTT_MS='ten': not a number; allowed: 0 to 10000",
    ]


@pytest.mark.slow
def test_help_lists_every_variable() -> None:
    """`--help` has a row for each variable, with its description."""
    done = link("--help")
    assert done.returncode == 0
    for name, field in Settings.model_fields.items():
        assert f"  NET_{name.upper()}=" in done.stdout
        assert field.description
        assert field.description in " ".join(done.stdout.split())
