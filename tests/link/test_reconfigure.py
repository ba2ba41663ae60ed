"""What a PUT body makes of the settings in force: merged, taken back, or refused as a whole."""

import pytest

from link.settings import CHANGEABLE, Settings
from service_kit.settings_change import MAX_BODY_BYTES, ChangeRefused
from service_kit.settings_change import changed as changed_settings

BEFORE = Settings(rtt_ms=40, loss_pct=1, partition="5s-10s", seed=7)


def changed(settings: Settings, body: bytes) -> tuple[Settings, set[str]]:
    """Return what a body makes of settings, and the fields that it names."""
    return changed_settings(settings, body, CHANGEABLE)


def mistaken(body: str | bytes) -> list[str]:
    """Return the lines about a body that must be refused."""
    with pytest.raises(ChangeRefused) as found:
        changed(BEFORE, body if isinstance(body, bytes) else body.encode())
    assert found.value.status == 400
    return found.value.mistakes


def test_what_is_named_changes_and_the_rest_stays() -> None:
    """Numbers or texts, as in the environment."""
    wanted, named = changed(BEFORE, b'{"NET_RTT_MS": 80, "NET_JITTER_MS": "4"}')
    assert named == {"rtt_ms", "jitter_ms"}
    assert wanted == BEFORE.model_copy(update={"rtt_ms": 80.0, "jitter_ms": 4.0})


@pytest.mark.parametrize("nothing", ["null", '""'])
def test_null_or_an_empty_text_takes_a_value_back(nothing: str) -> None:
    """To the profile's or the default, whatever the environment has."""
    wanted, named = changed(BEFORE, f'{{"NET_RTT_MS": {nothing}, "NET_PARTITION": {nothing}}}'.encode())
    assert (wanted.rtt_ms, wanted.partition, wanted.loss_pct, wanted.seed) == (None, "off", 1.0, 7)
    assert named == {"rtt_ms", "partition"}


def test_the_environment_of_the_start_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was changed since stays so when something else is changed, and null means the default."""
    monkeypatch.setenv("NET_RTT_MS", "40")
    monkeypatch.setenv("NET_LOSS_PCT", "3")
    first, _ = changed(Settings(), b'{"NET_RTT_MS": null}')
    second, _ = changed(first, b'{"NET_JITTER_MS": 0}')
    assert (first.rtt_ms, second.rtt_ms, second.loss_pct) == (None, None, 3.0)


def test_a_profile_comes_under_what_is_set() -> None:
    """As at the start: the round trip that was set stays, the rates are the profile's."""
    wanted, _ = changed(BEFORE, b'{"NET_PROFILE": "4g"}')
    assert (wanted.conditions.rtt, wanted.conditions.loss, wanted.conditions.down) == (0.04, 0.01, 10e6)
    assert wanted.conditions.jitter == 0.01


@pytest.mark.parametrize("name", CHANGEABLE)
def test_every_condition_can_be_taken_back(name: str) -> None:
    """No name among them is without a default."""
    wanted, _ = changed(Settings(), f'{{"NET_{name.upper()}": null}}'.encode())
    assert wanted == Settings()


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ('{"NET_RTT_MS": 80, "NET_LOSS_PCT": 101}', ["NET_LOSS_PCT='101': too large; allowed: 0 to 100"]),
        ('{"NET_RTT_MS": "x"}', ["NET_RTT_MS='x': not a number; allowed: 0 to 10000"]),
        ('{"NET_RTT_MS": NaN}', ["NET_RTT_MS='NaN': not a finite number; allowed: 0 to 10000"]),
        ('{"NET_RTTMS": 3}', ["NET_RTTMS='3': no such variable; did you mean NET_RTT_MS?"]),
        ('{"NET_RTT_MS": [1]}', ["NET_RTT_MS='[1]': neither a number nor a text"]),
        ('{"NET_RTT_MS": true}', ["NET_RTT_MS='true': not a number; allowed: 0 to 10000"]),
        (
            '{"NET_PARTITION": "9s-3s"}',
            ["NET_PARTITION='9s-3s': ends before it has begun; allowed: off, 5s-10s, 5s-"],
        ),
        (
            '{"NET_RTT_MS": 5, "NET_JITTER_MS": 6}',
            [
                "NET_JITTER_MS='6': jitter of 6 ms is above the round trip of 5 ms; "
                "allowed: NET_JITTER_MS up to NET_RTT_MS"
            ],
        ),
    ],
)
def test_a_mistake_is_a_line_as_at_the_start(body: str, lines: list[str]) -> None:
    """The value is shown as it was given."""
    assert mistaken(body) == lines


def test_all_mistakes_are_said_at_once_and_in_order() -> None:
    """In the order of the body; wrong values come last."""
    body = '{"NET_LOSS_PCT": -1, "NET_RTT_MS": {}, "NET_ENGINE": "tun", "NET_X": 1, "NET_PORT": [1], "NET_SEED": null}'
    assert [line.partition("=")[0] for line in mistaken(body)] == [
        "NET_RTT_MS", "NET_ENGINE", "NET_X", "NET_PORT", "NET_SEED", "NET_LOSS_PCT",
    ]  # fmt: skip


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * MAX_BODY_BYTES, b'{"NET_RTT_MS": ' + b"9" * 5000 + b"}"])
def test_what_is_not_json_is_one_line(body: bytes) -> None:
    """Whatever it is: nothing gets through to the server as a failure of its own."""
    (line,) = mistaken(body)
    assert line.startswith("the body is not JSON: ")
    assert line.endswith('; allowed: {"NET_PROFILE": ...}')


@pytest.mark.parametrize("body", ["{}", "[]", "3", "null", '"NET_RTT_MS"'])
def test_what_is_no_object_of_variables_is_one_line(body: str) -> None:
    """Nor is one that asks for nothing."""
    assert mistaken(body) == ['the body is not a JSON object of variables; allowed: {"NET_PROFILE": ...}']
