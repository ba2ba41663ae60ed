"""The account of a run: places, window, owners of failures."""

import pytest

from lab.account.attribution import TimeMs, attribution
from lab.account.places import PLACES, Place
from lab.account.window import window


def test_every_place_has_a_kind_and_an_owner() -> None:
    assert list(PLACES) == list(Place)


def test_the_places_of_an_account_are_sorted_by_their_time_and_empty_ones_left_out() -> None:
    users = TimeMs(mean=200, p50=200, p99=220, slowest=250)
    spent = {
        Place.POOL_WAIT: TimeMs(mean=95, p50=95, p99=110, slowest=140),
        Place.UPSTREAM_WORK: TimeMs(mean=105, p50=105, p99=110, slowest=110),
        Place.TLS: TimeMs(mean=0, p50=0, p99=0, slowest=0),
    }
    account = attribution(users, spent)
    assert [each.place for each in account.places] == [Place.UPSTREAM_WORK, Place.POOL_WAIT]
    assert (account.places[1].kind, account.places[1].owner) == ("queue", "proxy")
    assert (account.share(Place.POOL_WAIT), account.mean_ms(Place.TLS)) == (0.475, 0.0)


@pytest.mark.parametrize(
    ("spawned", "stopped", "requests", "because"),
    [
        (None, 5.0, 900, "before all its users had started"),
        (4.0, 5.0, 900, "it ran for 1.0 s with all users"),
        (1.0, 5.0, 20, "20 requests ended in it"),
    ],
)
def test_a_run_too_short_for_a_window_has_one_of_all_its_time(
    spawned: float | None, stopped: float, requests: int, because: str
) -> None:
    found = window(spawned, stopped, requests, whole_seconds=5.5)
    assert (found.begin_seconds, found.end_seconds, found.steady) == (0.0, 5.5, False)
    assert because in found.because


def test_the_window_lies_between_ramp_and_drain() -> None:
    found = window(1.0, 5.0, 400, whole_seconds=35.0)
    assert (found.steady, found.seconds) == (True, 4.0)
    assert [found.part(at) for at in (0.5, 3.0, 20.0)] == ["ramp", "steady", "drain"]
