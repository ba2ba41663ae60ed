"""Run documents for tests, made of plain figures."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.account.attribution import Attribution, PlaceTime, TimeMs
from lab.account.places import PLACES, Place
from lab.conclusion import Advice, Verdict
from lab.document_part import DistributionMs
from lab.pool_figures import Pool
from lab.run_document import Generator, LatencyMs, PartSettings, RunDocument, SettingsAtEnds, Totals
from lab.witnesses import Audit, Witnesses

STARTED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def pool(**changes: Any) -> Pool:
    """A pool of ten that is full: 20 users, 100 ms."""
    figures: dict[str, Any] = {
        "max": 10,
        "opened": 10,
        "reused": 990,
        "closed": 0,
        "timeouts": 0,
        "active_mean": 9.9,
        "waiting_mean": 9.8,
        "wait_ms": DistributionMs(count=1000, mean=98.0, p50=99.0, p99=120.0),
    }
    return Pool(**(figures | changes))


def account(places: Mapping[Place, float]) -> Attribution:
    """An account of requests that all spent the same milliseconds at these places."""
    whole = sum(places.values())
    rows = [
        PlaceTime(
            place=place,
            kind=PLACES[place].kind,
            owner=PLACES[place].owner,
            ms=TimeMs(mean=ms, p50=ms, p99=ms, slowest=ms),
            share=round(ms / whole, 4),
            share_of_slowest=round(ms / whole, 4),
        )
        for place, ms in sorted(places.items(), key=lambda item: -item[1])
    ]
    return Attribution(users_ms=TimeMs(mean=whole, p50=whole, p99=whole, slowest=whole), places=rows)


def run_document(run_id: str = "20261120T120000Z-0001", **changes: Any) -> RunDocument:
    """A finished run against a full pool; any field may be changed."""
    proxy = {"PROXY_MAX_CONNECTIONS": 10}
    settings = PartSettings(load={"LOCUST_USERS": 20}, proxy=proxy)
    figures: dict[str, Any] = {
        "id": run_id,
        "label": "ten",
        "mode": "headless",
        "status": "finished",
        "started_at": STARTED,
        "stopped_at": STARTED + timedelta(seconds=10),
        "window_seconds": 10.0,
        "users": 20,
        "settings": SettingsAtEnds(start=settings, end=settings),
        "versions": {"proxy": {"httpx": "0.28.1"}},
        "totals": Totals(requests=1000, failures=0, rps=100.0),
        "latency_ms": LatencyMs(mean=200.0, p50=200.0, p90=210.0, p95=220.0, p99=230.0, max=240.0),
        "errors": {},
        "pool": pool(),
        "cpu_cores": {"proxy": 0.3, "upstream": 0.1, "link": None, "generator": 0.2},
        "witnesses": Witnesses(locust_requests=1000, locust_failures=0),
        "audit": Audit(agreed=True, checks=[]),
        "generator": Generator(),
        "verdict": Verdict(bottleneck="pool", because="because", advice=Advice(words="advice")),
        "series": [],
    }
    return RunDocument(**(figures | changes))
