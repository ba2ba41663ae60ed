"""The account of a run: places, their division, the window."""

import random

import pytest

from lab.account.attribution import Attribution, Measured, TimeMs, attribution
from lab.account.division import Knowledge, places_ms
from lab.account.places import PLACES, Place
from lab.account.request_classes import RequestClasses, Requests
from lab.account.window import window

NO_TIME = TimeMs(mean=0, p50=0, p99=0, slowest=0)


def requests(count: float = 1.0, **spent_ms: float) -> Requests:
    """So many requests that each spent so much; those with `connect` opened their connection."""
    opened = count if "connect" in spent_ms else 0.0
    return Requests(
        count,
        {phase: ms * count for phase, ms in spent_ms.items()},
        opened=opened,
        opened_wait_ms=opened * spent_ms.get("network", 0.0),
    )


def known_places(some: Requests, known: Knowledge, everything: Requests | None = None) -> dict[Place, float]:
    """The places that took time."""
    found = places_ms(some, everything or some, known)
    assert sum(found.values()) == pytest.approx(sum(some.spent_ms.values()) / some.count)
    return {place: ms for place, ms in found.items() if ms}


def account(classes: RequestClasses, users: TimeMs, lag: TimeMs = NO_TIME) -> Attribution:
    return attribution(Measured(users, lag, classes), Knowledge())


def test_every_place_has_a_kind_and_an_owner() -> None:
    assert list(PLACES) == list(Place)


def test_what_the_link_charged_is_taken_from_the_wait_and_from_the_body() -> None:
    """A body that waits for bandwidth, and a round trip of 40 ms; loss is shared as time is left."""
    some = requests(upstream=20.0, network=50.0, body=90.0)
    known = Knowledge(round_trips=40.0, loss=5.0, bandwidth_queue=80.0)
    assert known_places(some, known) == {
        Place.UPSTREAM_WORK: 20.0,
        Place.ROUND_TRIPS: pytest.approx(40.0 + 10.0 * 0.15),
        Place.LOSS: pytest.approx(5.0),
        Place.BANDWIDTH_QUEUE: pytest.approx(80.0),
        Place.BODY: pytest.approx(90.0 * 0.15),
    }


def test_the_link_takes_no_more_than_there_is() -> None:
    """It charges for packets that nobody waited for, too."""
    found = known_places(requests(network=30.0, body=1.0), Knowledge(round_trips=40.0, loss=100.0))
    assert found == {Place.ROUND_TRIPS: 31.0}


def test_the_slow_ones_have_the_losses() -> None:
    """The mean request lost 5 ms; the slow one waited 300 ms longer, and nothing else explains it."""
    everything = requests(network=46.0)
    found = known_places(requests(network=340.0), Knowledge(round_trips=40.0, loss=5.4), everything)
    assert found[Place.LOSS] == pytest.approx(270.0)
    assert found[Place.ROUND_TRIPS] == pytest.approx(70.0)


def test_a_new_connection_is_accepted_late_and_a_kept_one_is_not() -> None:
    """Half of them waited 800 ms longer for the head, as the upstream accepts few a second."""
    both = requests(10, network=2.0).plus(requests(10, connect=0.2, network=802.0))
    found = known_places(both, Knowledge(kept_wait=2.0))
    assert found[Place.CONNECT] == pytest.approx(400.1)
    assert found[Place.ROUND_TRIPS] == pytest.approx(2.0)


def test_where_all_connections_are_new_what_nothing_explains_is_their_price() -> None:
    found = known_places(requests(connect=1.0, network=50.0), Knowledge(round_trips=40.0, loop_lag=3.0))
    assert found == {Place.CONNECT: 7.0, Place.ROUND_TRIPS: 40.0, Place.EVENT_LOOP: 4.0}


def test_a_connection_that_was_there_before_the_loop_saw_it_is_the_loops() -> None:
    """Two processes beside it take both cores: all that the loop awaits is seen 10 ms late."""
    found = known_places(requests(connect=17.0), Knowledge(loop_lag=10.0))
    assert found == {Place.EVENT_LOOP: 10.0, Place.CONNECT: 7.0}


def test_what_a_client_does_not_tell_stays_one_lump_but_for_what_others_know() -> None:
    found = known_places(requests(other=60.0, upstream=100.0), Knowledge(round_trips=40.0, handshake=6.0))
    assert found == {Place.UPSTREAM_WORK: 100, Place.ROUND_TRIPS: 40, Place.CONNECT: 6, Place.NOT_REPORTED: 14}


def test_an_answer_that_the_network_swallowed_is_the_networks() -> None:
    """One of four waited 5 s for an answer that the upstream had given; the three others it answered in 100 ms."""
    waited = Requests(4, {"upstream": 5300.0}, unreported=1, unreported_ms=5000.0)
    assert known_places(waited, Knowledge(swallowed_share=1.0)) == {Place.UPSTREAM_WORK: 75.0, Place.LOSS: 1250.0}
    assert known_places(waited, Knowledge()) == {Place.UPSTREAM_WORK: 1325.0}


def test_waiting_for_a_connection_while_one_was_free_is_the_event_loops() -> None:
    found = known_places(requests(pool_wait=100.0), Knowledge(free_share=0.75))
    assert found == {Place.POOL_WAIT: 25.0, Place.EVENT_LOOP: 75.0}


def test_waiting_for_the_connection_that_another_request_opens_is_connecting() -> None:
    found = known_places(requests(pool_wait=100.0, connect=10.0), Knowledge(free_share=0.25, opening_share=0.5))
    assert found == {Place.POOL_WAIT: 25.0, Place.EVENT_LOOP: 25.0, Place.CONNECT: 60.0}


def test_looking_up_names_is_a_part_of_connecting() -> None:
    found = known_places(requests(connect=40.0), Knowledge(lookup_share=0.75))
    assert found == {Place.DNS: 30.0, Place.CONNECT: 10.0}


def test_the_account_adds_up_in_each_figure_and_has_the_longest_place_first() -> None:
    """Random requests and random knowledge; users who wait longer than the proxy knows, and a bit less."""
    chance = random.Random(7)
    phases = ["admission", "pool_wait", "connect", "network", "other", "body", "proxy", "upstream"]
    for _ in range(50):
        classes = {
            float(bound): requests(chance.randint(1, 99), **{phase: chance.random() * bound for phase in phases})
            for bound in range(1, 30)
        }
        outside = chance.choice([-0.1, 0.0, 0.5])
        users = TimeMs(mean=60 + 60 * outside, p50=50 + 50 * outside, p99=190 + 190 * outside, slowest=230)
        figures = {name: chance.random() * 40 for name in ("round_trips", "loss", "bandwidth_queue", "handshake")}
        known = Knowledge(**figures, kept_wait=chance.choice([None, 3.0]), free_share=chance.random())
        lag = TimeMs(mean=5, p50=1, p99=20, slowest=30)
        found = attribution(Measured(users, lag, RequestClasses(classes)), known)
        for figure, ms in users.model_dump().items():
            assert sum(getattr(each.ms, figure) for each in found.places) == pytest.approx(ms, abs=0.01)
        assert all(getattr(each.ms, figure) >= 0 for each in found.places for figure in users.model_dump())
        means = [each.ms.mean for each in found.places]
        assert means == sorted(means, reverse=True)


def test_what_the_proxy_does_not_know_of_is_the_callers_side_or_its_loop() -> None:
    classes = RequestClasses({10.0: requests(100, upstream=10.0)})
    users = TimeMs(mean=30, p50=12, p99=100, slowest=100)
    lag = TimeMs(mean=15, p50=1, p99=200, slowest=200)
    found = {each.place: each for each in account(classes, users, lag).places}
    assert found[Place.EVENT_LOOP].ms == TimeMs(mean=15, p50=1, p99=90, slowest=90)
    assert found[Place.CALLER_SIDE].ms == TimeMs(mean=5, p50=1, p99=0, slowest=0)
    assert (found[Place.EVENT_LOOP].share, found[Place.EVENT_LOOP].kind) == (0.5, "queue")


def test_the_slowest_have_an_account_of_their_own() -> None:
    """Ninety-nine wait for the upstream, one for a connection."""
    classes = RequestClasses({110.0: requests(99, upstream=100.0), 1100.0: requests(1, pool_wait=1000.0)})
    users = TimeMs(mean=109, p50=100, p99=100, slowest=1000)
    found = account(classes, users)
    assert found.share(Place.POOL_WAIT) == pytest.approx(10 / 109, abs=0.001)
    assert found.places[1].place == Place.POOL_WAIT
    assert (found.places[1].share_of_slowest, found.mean_ms(Place.TLS)) == (1.0, 0.0)


def test_classes_differ_by_what_was_added() -> None:
    phases = ["pool_wait", "network"]
    before = RequestClasses.parse(phases, [[10.0, 2, 5.0, 6.0, 3.0, 1, 0.0, 0]])
    after = RequestClasses.parse(phases, [[10.0, 4, 9.0, 8.0, 5.0, 2, 0.0, 0], [20.0, 1, 1.0, 2.0, 0.0, 0, 7.0, 1]])
    first, second = after.since(before)
    assert first == (10.0, Requests(2, {"pool_wait": 4.0, "network": 2.0}, 1, 2.0))
    assert second == (20.0, Requests(1, {"pool_wait": 1.0, "network": 2.0}, 0, 0.0, 1, 7.0))


@pytest.mark.parametrize(
    ("spawned", "stopped", "count", "because"),
    [
        (None, 5.0, 900, "before all its users had started"),
        (4.0, 5.0, 900, "it ran for 1.0 s with all users"),
        (1.0, 5.0, 20, "20 requests ended in it"),
    ],
)
def test_a_run_too_short_for_a_window_has_one_of_all_its_time(
    spawned: float | None, stopped: float, count: int, because: str
) -> None:
    found = window(spawned, stopped, count, whole_seconds=5.5)
    assert (found.begin_seconds, found.end_seconds, found.steady) == (0.0, 5.5, False)
    assert because in found.because


def test_the_window_lies_between_ramp_and_drain() -> None:
    found = window(1.0, 5.0, 400, whole_seconds=35.0)
    assert (found.steady, found.seconds) == (True, 4.0)
    assert [found.part(at) for at in (0.5, 3.0, 20.0)] == ["ramp", "steady", "drain"]
