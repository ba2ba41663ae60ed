"""Kinds of users from the start form, one run after the other."""

import pytest

from support.locust import WebUi


@pytest.mark.slow
def test_each_run_has_the_kinds_of_its_own_form(web_ui: WebUi) -> None:
    web_ui.start(user_kind="2 * closed(think=100ms); open(50/s)", run_time="2s")
    mixed = web_ui.finished(0)
    web_ui.start(user_kind="closed", run_time="1s")
    plain = web_ui.finished(1)
    assert {row["kind"] for row in mixed["kinds"]} == {"closed(think=100ms)", "open(50/s)"}
    assert plain["kinds"] == []
    assert mixed["settings"]["start"]["load"]["LAB_USER_KIND"] == "2 * closed(think=100ms); open(50/s)"
    assert plain["audit"]["agreed"]
    assert mixed["audit"]["agreed"]


@pytest.mark.slow
def test_a_mistake_in_a_kind_is_one_line_at_its_field(web_ui: WebUi) -> None:
    answer = web_ui.start(user_kind="open(fast)")
    assert not answer["success"]
    assert str(answer["fields"]["user_kind"]).startswith(
        "User kind 'open(fast)' is not allowed; allowed: closed(think=1s)"
    )
