"""A PUT's body to new settings, or to a status and one line for each mistake."""

import json
from typing import Any

import pytest

from service_kit.settings_change import ChangeRefused, Receive, changeable_document, changed, read_body, started_with
from support.kit_settings import ServerSettings, Settings

CHANGEABLE = ("timeout_seconds", "mode", "admin", "rate_mbit")
NAMES = "DEMO_TIMEOUT_SECONDS, DEMO_MODE, DEMO_ADMIN, DEMO_RATE_MBIT"


def change(body: object, settings: Settings | None = None) -> tuple[Settings, set[str]]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return changed(settings or Settings(), text, CHANGEABLE, fixed_models=[ServerSettings])


def test_a_change_leaves_the_other_settings_as_they_are() -> None:
    settings, fields = change({"DEMO_TIMEOUT_SECONDS": 2, "DEMO_ADMIN": True}, Settings(port=81))
    assert (settings.timeout_seconds, settings.admin, settings.port) == (2.0, True, 81)
    assert fields == {"timeout_seconds", "admin"}


@pytest.mark.parametrize("unset", [None, ""])
def test_null_and_an_empty_text_take_a_value_back_to_its_default(unset: str | None) -> None:
    settings, _ = change({"DEMO_TIMEOUT_SECONDS": unset, "DEMO_RATE_MBIT": unset}, Settings(timeout_seconds=1))
    assert (settings.timeout_seconds, settings.rate_mbit) == (5.0, None)


def test_what_was_changed_is_reported_with_what_it_was_at_the_start() -> None:
    settings, _ = change({"DEMO_TIMEOUT_SECONDS": 2, "DEMO_RATE_MBIT": 3})
    assert started_with(Settings(), settings) == {"DEMO_TIMEOUT_SECONDS": 5.0, "DEMO_RATE_MBIT": None}
    assert started_with(settings, settings) == {}


def test_what_can_be_changed_is_reported_with_what_is_allowed() -> None:
    document = changeable_document(Settings, ["timeout_seconds", "mode"])
    assert document["DEMO_TIMEOUT_SECONDS"] == {"allowed": "more than 0, up to 3600", "choices": []}
    assert document["DEMO_MODE"]["choices"] == document["DEMO_MODE"]["allowed"].split(", ")


def test_the_environment_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PORT", "99")
    assert change({"DEMO_MODE": "rst"}, Settings(port=81))[0].port == 81


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ({"DEMO_TIMEOUT_SECONDS": 0}, ["DEMO_TIMEOUT_SECONDS='0': too small; allowed: more than 0, up to 3600"]),
        ({"DEMO_TIMEOUT_SECONDS": True},
         ["DEMO_TIMEOUT_SECONDS='true': not a number; allowed: more than 0, up to 3600"]),
        ({"DEMO_TIMEOUT_SECONDS": [1]}, ["DEMO_TIMEOUT_SECONDS='[1]': neither a number nor a text"]),
        ({"DEMO_PORT": 1}, [f"DEMO_PORT='1': needs a restart; allowed: {NAMES}"]),
        ({"SERVER_WORKERS": 2}, [f"SERVER_WORKERS='2': needs a restart; allowed: {NAMES}"]),
        ({"DEMO_TIMEOUT": 2}, ["DEMO_TIMEOUT='2': no such variable; did you mean DEMO_TIMEOUT_SECONDS?"]),
        ({"DEMO_TIMEOUT": None}, ["DEMO_TIMEOUT='null': no such variable; did you mean DEMO_TIMEOUT_SECONDS?"]),
        ({"PATH": "/"}, [f"PATH='/': no such variable; allowed: {NAMES}"]),
        ({"DEMO_MODE": "x", "DEMO_PORT": 1},
         [f"DEMO_PORT='1': needs a restart; allowed: {NAMES}",
          "DEMO_MODE='x': not one of these; allowed: silent, rst"]),
        ({"DEMO_ADMIN": True, "DEMO_MODE": "rst"},
         ["DEMO_ADMIN='true': contradicts DEMO_MODE=rst", "DEMO_SEED='1': is not needed then"]),
        ({}, ['the body is not a JSON object of variables; allowed: {"DEMO_TIMEOUT_SECONDS": ...}']),
        ([1], ['the body is not a JSON object of variables; allowed: {"DEMO_TIMEOUT_SECONDS": ...}']),
    ],
)  # fmt: skip
def test_a_mistake_changes_nothing_and_is_one_line(body: object, lines: list[str]) -> None:
    with pytest.raises(ChangeRefused) as refused:
        change(body)
    assert (refused.value.status, refused.value.document()) == (400, {"mistakes": lines})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(ChangeRefused, match="the body is not JSON") as refused:
        change(body)
    assert refused.value.status == 400


def receiving(*messages: dict[str, Any]) -> Receive:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    return receive


PIECE = {"type": "http.request", "body": b"abc", "more_body": True}


@pytest.mark.parametrize(
    ("last", "max_bytes", "status", "line"),
    [
        ({"type": "http.request", "body": b"de"}, 4, 413, "the body is longer than 4 bytes"),
        ({"type": "http.disconnect"}, 5, 400, "the body broke off before its end"),
    ],
)
async def test_a_body_is_read_up_to_its_limit(last: dict[str, Any], max_bytes: int, status: int, line: str) -> None:
    assert await read_body(receiving(PIECE, {"type": "http.request", "body": b"de"}), 5) == b"abcde"
    with pytest.raises(ChangeRefused) as refused:
        await read_body(receiving(PIECE, last), max_bytes)
    assert (refused.value.status, refused.value.mistakes) == (status, [line])
