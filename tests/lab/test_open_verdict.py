"""What a verdict makes of an open load."""

import pytest

from lab.run_document import SeriesPoint
from lab.verdict.facts import Facts
from lab.verdict.judge import judge
from lab.witnesses import Arrivals, Witnesses
from support.documents import run_document


def open_run(dropped: int = 0, late: int = 0) -> Facts:
    arrivals = Arrivals(scheduled=1000, started=1000 - dropped, dropped=dropped, late=late)
    point = SeriesPoint(t_seconds=1.0, users=20, requests=100, failures=0, pool_active=10, pool_waiting=35)
    witnesses = Witnesses(locust_requests=1000 - dropped, locust_failures=0, arrivals=arrivals)
    return Facts(run_document(witnesses=witnesses, series=[point]))


def test_as_many_requests_are_under_way_as_were_seen() -> None:
    assert Facts(run_document()).at_once == 20
    assert open_run().at_once == 45


@pytest.mark.parametrize(("dropped", "late", "mentioned"), [(9, 9, False), (10, 0, True), (0, 10, True)])
def test_arrivals_that_were_dropped_or_late_are_a_caveat(dropped: int, late: int, mentioned: bool) -> None:
    found = [
        caveat.because for caveat in judge(open_run(dropped, late).run, None).caveats if caveat.about == "arrivals"
    ]
    assert bool(found) is mentioned
    assert all(("dropped" in because, "late" in because) == (dropped > 0, late > 0) for because in found)
