"""Runs whose number of users changes: as they are written, and as a real Locust follows them."""

from pathlib import Path

import pytest

from lab.run_document import RunDocument
from loadtest.users.shapes import Shape, parse_shape
from support.locust import RunLocust, Target, WebUi


def shape(text: str) -> Shape:
    found = parse_shape(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("ramp(4s)", {0: 1, 1: 5, 2: 10, 4: 20, 60: 20}),
        ("ramp(4s, hold=2s)", {2: 10, 5: 20, 8: 10, 20: 1}),
        ("step(4, every=10s)", {0: 5, 9: 5, 10: 10, 30: 20, 99: 20}),
        ("spike(5, at=10s, during=5s)", {0: 20, 10: 100, 14: 100, 15: 20}),
        ("spike(0.5, at=10s, during=5s)", {9: 20, 10: 10, 15: 20}),
    ],
)
def test_a_shape_is_a_number_of_users_at_each_moment(text: str, users: dict[int, int]) -> None:
    assert {seconds: shape(text).users(seconds, 20) for seconds in users} == users


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("hill", "not a shape"),
        ("ramp", "not a shape"),
        ("ramp(0.5s)", "'0.5s' is less than 1s"),
        ("step(1, every=5s)", "'1' is not a number of steps"),
        ("spike(0, at=1s, during=1s)", "'0' is not how many times"),
        ("spike(5, at=1s)", "lacks during"),
    ],
)
def test_what_is_no_shape(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_shape(text)


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["", "2"], ids=["one process", "two processes"])
def test_a_run_follows_its_shape_and_ends_in_time(
    run_locust: RunLocust, target: Target, tmp_path: Path, processes: str
) -> None:
    with run_locust(
        LOCUST_HEADLESS="true", LOCUST_RUN_TIME="6s", LAB_SHAPE="spike(4, at=2s, during=2s)", LOCUST_PROCESSES=processes
    ) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err, err
    (path,) = (tmp_path / "runs").glob("*.json")
    run = RunDocument.model_validate_json(path.read_text())
    assert run.status == "finished"
    assert run.audit.agreed, run.audit
    assert run.whole is not None
    assert run.whole.requests == target.received[run.id]
    users = [point.users for point in run.series]
    assert max(users) == 32
    assert 8 in users[: users.index(32)]
    assert 8 in users[users.index(32) :]
    assert run.users == 32
    assert run.settings.start.load is not None
    assert run.settings.start.load["LOCUST_USERS"] == 8
    assert run.window is not None
    assert "LAB_SHAPE" in run.window.because
    assert run.window_seconds == pytest.approx(6, abs=1.5)


@pytest.mark.slow
def test_the_form_starts_a_shape_and_the_next_run_has_none(web_ui: WebUi) -> None:
    web_ui.start(shape="step(2, every=2s)", run_time="5s")
    stepped = web_ui.finished(0)
    web_ui.start(shape="", run_time="3s")  # its first second is not the one in which its users stop
    plain = web_ui.finished(1)
    assert {point["users"] for point in stepped["series"]} >= {4, 8}
    assert stepped["status"] == "finished"
    assert stepped["settings"]["start"]["load"]["LAB_SHAPE"] == "step(2, every=2s)"
    assert {point["users"] for point in plain["series"][:1]} == {8}
    assert plain["settings"]["start"]["load"]["LAB_SHAPE"] is None
