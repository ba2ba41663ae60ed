"""First bytes, counted in workers and added up by their master."""

from loadtest.first_bytes import FirstBytes
from loadtest.locust_stats import Counts


def test_a_master_has_what_its_workers_counted_once() -> None:
    """Reports are of what came since the one before."""
    master, workers = FirstBytes(), (FirstBytes(), FirstBytes())
    for number in range(3):
        for worker in workers:
            worker.add(10.04 + number)
            master.take(worker.report())
    assert master.times == {10.0: 2, 11.0: 2, 12.0: 2}
    workers[0].reset()
    assert workers[0].report() == {}


def test_the_first_byte_has_a_distribution_of_its_own() -> None:
    counts = Counts(4, 0, 400.0, 100.0, None, {100.0: 4}, {}, {10.0: 3, 20.0: 1})
    first = counts.first_byte()
    assert first is not None
    assert (first.mean, first.p50, first.max, counts.latency().p50) == (12.5, 10.0, 20.0, 100.0)
    assert counts.since(Counts(2, 0, 200.0, 0.0, None, {100.0: 2}, {}, {10.0: 2})).first_bytes == {10.0: 1, 20.0: 1}
    assert Counts().first_byte() is None
