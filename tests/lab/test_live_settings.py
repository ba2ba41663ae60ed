"""What is sent to change settings of a service while it runs, and to take them back."""

from lab.live_settings import DifferingSetting, differing, differing_settings, requested, undone
from lab.wire.service import Changeable, ServiceConfig

CONFIG = ServiceConfig(
    settings={"PROXY_MAX_CONNECTIONS": 20, "PROXY_KEEPALIVE": 5, "PROXY_READ_SECONDS": 5.0, "PROXY_RETRIES": 0},
    derived=["PROXY_KEEPALIVE"],
    changed=True,
    started_with={"PROXY_MAX_CONNECTIONS": 10, "PROXY_READ_SECONDS": None},
    changeable={name: Changeable() for name in ("PROXY_MAX_CONNECTIONS", "PROXY_KEEPALIVE", "PROXY_READ_SECONDS")},
)


def test_only_what_differs_is_changed() -> None:
    assert differing({"A": "1", "B": "2"}, {"A": "1", "B": "", "C": "3"}) == {"B": None, "C": "3"}


def test_of_a_form_only_what_can_be_changed_and_differs() -> None:
    """5 and 5.0 are one value; what is unset and shown as what it comes to is empty in the form."""
    form = {"PROXY_MAX_CONNECTIONS": "20", "PROXY_KEEPALIVE": "", "PROXY_READ_SECONDS": "5", "PROXY_RETRIES": "1"}
    assert requested(CONFIG, form) == {}
    assert requested(CONFIG, {**form, "PROXY_KEEPALIVE": "5", "PROXY_READ_SECONDS": " "}) == {
        "PROXY_KEEPALIVE": "5",
        "PROXY_READ_SECONDS": None,
    }


def test_a_change_is_undone_by_the_values_before_it() -> None:
    assert undone(CONFIG, {"PROXY_KEEPALIVE": "7", "PROXY_MAX_CONNECTIONS": None}) == {
        "PROXY_KEEPALIVE": None,
        "PROXY_MAX_CONNECTIONS": "20",
    }


def test_what_differs_from_the_start_is_shown_with_both_values() -> None:
    assert differing_settings(CONFIG) == [
        DifferingSetting("PROXY_MAX_CONNECTIONS", "20", "10"),
        DifferingSetting("PROXY_READ_SECONDS", "5", ""),
    ]
