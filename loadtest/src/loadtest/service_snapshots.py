"""What the other parts say of themselves at one moment, fetched over HTTP; a part that does not answer is None."""

import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import gevent
import requests

Answer = dict[str, Any]

LEDGER_PAGE = 1000

TIMEOUT_SECONDS = (1.0, 2.0)
"""Connect and read. A proxy at its CPU limit answers late, so reading has more."""


@dataclass(frozen=True)
class Snapshot:
    """The parts' own words at `at` (monotonic seconds): `/-/config`, and the counters behind it."""

    at: float
    proxy_config: Answer | None = None
    network_config: Answer | None = None
    upstream_config: Answer | None = None
    upstream_faults: Answer | None = None
    pool: Answer | None = None
    upstream: Answer | None = None
    network: Answer | None = None
    ledger_cursor: str | None = None


class Surroundings:
    """Fetches from proxy, link and mock. Waiting is cooperative: Locust has patched the sockets under `requests`."""

    def __init__(self, proxy_url: str, upstream_control_url: str, net_control_url: str) -> None:
        self.proxy_url = proxy_url
        self.upstream_control_url = upstream_control_url
        self.net_control_url = net_control_url

    def snapshot(self) -> Snapshot:
        """Ask all parts at once; the slowest one sets the time it takes."""
        asked = {
            "proxy_config": f"{self.proxy_url}/-/config",
            "network_config": f"{self.net_control_url}/-/config",
            "upstream_config": f"{self.upstream_control_url}/-/config",
            "upstream_faults": f"{self.upstream_control_url}/-/faults",
            "pool": f"{self.proxy_url}/-/pool",
            "upstream": f"{self.upstream_control_url}/-/stats",
            "network": f"{self.net_control_url}/-/stats",
            "ledger": f"{self.proxy_url}/-/ledger?since=end&limit=1",
        }
        answers = self._get_all(asked)
        ledger = answers.pop("ledger") or {}
        return Snapshot(at=time.monotonic(), ledger_cursor=ledger.get("next"), **answers)

    def conditions(self, before: Snapshot) -> Snapshot:
        """Return that snapshot with the link's conditions and the mock's faults as now: a run may see them change."""
        asked = {
            "network_config": f"{self.net_control_url}/-/config",
            "upstream_faults": f"{self.upstream_control_url}/-/faults",
        }
        heard = {name: answer for name, answer in self._get_all(asked).items() if answer is not None}
        return replace(before, **heard)

    def ledger(self, cursor: str | None) -> tuple[list[Answer], int] | None:
        """Return the entries of the proxy's ledger since a cursor, and how many are lost; None if it cannot be read."""
        entries: list[Answer] = []
        dropped = 0
        while cursor is not None:
            page = self._get(f"{self.proxy_url}/-/ledger?since={quote(cursor)}&limit={LEDGER_PAGE}")
            if page is None or not isinstance(page.get("entries"), list):
                return None
            dropped += int(number(page, "dropped"))
            entries += page["entries"]
            cursor = page.get("next") if page["entries"] else None
            if cursor is None:
                return entries, dropped
        return None

    def pool(self) -> Answer | None:
        """Return the proxy's pool figures now."""
        return self._get(f"{self.proxy_url}/-/pool")

    def settled(self, run_id: str, before: Snapshot, patience_seconds: float) -> Snapshot:
        """Ask all parts until nobody has a request of the run in hand any more, and those heard `before` are heard.

        The last answer reaches Locust a moment before the proxy and the mock have counted it as done.
        """
        deadline = time.monotonic() + patience_seconds
        while True:
            snapshot = self.snapshot()
            if (not in_flight(snapshot, run_id) and not silent(before, snapshot)) or time.monotonic() > deadline:
                return snapshot
            gevent.sleep(0.05)

    def _get_all(self, asked: dict[str, str]) -> dict[str, Any]:
        greenlets = {name: gevent.spawn(self._get, url) for name, url in asked.items()}
        gevent.joinall(list(greenlets.values()))
        return {name: greenlet.value for name, greenlet in greenlets.items()}

    def _get(self, url: str) -> Answer | None:
        try:
            # A connection that is kept from one second to the next, or over the whole run, is one that the other end
            # may be closing at this moment: the request on it fails, and a witness that is well is not heard.
            with requests.Session() as session:
                session.trust_env = False
                response = session.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False)
                answer = response.json() if response.status_code == 200 else None
        except (requests.RequestException, ValueError, OSError):
            return None
        return answer if isinstance(answer, dict) else None


def in_flight(snapshot: Snapshot, run_id: str) -> int:
    """Return how many requests of the run the proxy and the mock still have in hand, as far as they say."""
    run = section(snapshot.pool, "run")
    in_proxy = number(run, "in_flight") if run.get("id") == run_id else 0
    in_upstream = number(section(section(snapshot.upstream, "runs"), run_id), "in_flight")
    return int(in_proxy + in_upstream)


def silent(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the parts that answered before and do not now."""
    parts = ("pool", "upstream", "network")
    return [part for part in parts if getattr(before, part) is not None and getattr(after, part) is None]


def section(answer: Answer | None, *path: str) -> Answer:
    """Return the object at that path in an answer, or an empty one: no part's answer is taken on trust."""
    value: Any = answer
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def number(answer: Answer, key: str) -> float:
    """Return the number under that key, 0 if there is none."""
    value = answer.get(key)
    return value if isinstance(value, int | float) else 0
