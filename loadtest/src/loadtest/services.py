"""Asks the services over HTTP for what they report, and parses it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

import gevent
import requests

from lab.wire.link import LinkConfig, LinkStats
from lab.wire.mock import FaultRules, MockConfig, MockExecutions, MockStats, RunExecutions
from lab.wire.proxy import LedgerEntry, LedgerPage, PoolStats, ProxyConfig
from lab.wire.service import Mistakes, ServiceConfig, UnexpectedAnswer, VariableValues, WireModel, parse
from loadtest.snapshot import Snapshot
from service_kit.process_figures import host_cpu

LEDGER_PAGE = 1000

TIMEOUT_SECONDS = (1.0, 2.0)
"""Connect and read. A proxy at its CPU limit answers late, so reading has more."""

PATIENCE_SECONDS = 4.0
"""To read what a run's figures are counted from: one whose loop is blocked answers between two requests."""

_Document = TypeVar("_Document", bound=WireModel)
_Question = tuple[str, str, type[WireModel]]
"""Service, path and the document expected there."""

_QUESTIONS: Mapping[str, _Question] = {
    "proxy_config": ("proxy", "/-/config", ProxyConfig),
    "network_config": ("link", "/-/config", LinkConfig),
    "upstream_config": ("upstream", "/-/config", MockConfig),
    "upstream_faults": ("upstream", "/-/faults", FaultRules),
    "pool": ("proxy", "/-/pool", PoolStats),
    "upstream": ("upstream", "/-/stats", MockStats),
    "network": ("link", "/-/stats", LinkStats),
    "ledger": ("proxy", "/-/ledger?since=end&limit=1", LedgerPage),
}
_COUNTERS = ("pool", "upstream", "network")
_CONDITIONS = ("network_config", "upstream_config", "upstream_faults")
CONFIGS: Mapping[str, type[ServiceConfig]] = {"proxy": ProxyConfig, "upstream": MockConfig, "link": LinkConfig}
"""The services that take changes, and what each answers to /-/config."""


class ChangeRefused(Exception):
    """A service takes a change not as it is, or does not answer. `lines`: one for each mistake."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("; ".join(lines))


class Services:
    """Fetches from proxy, link and mock. Waiting is cooperative: Locust has patched the sockets under `requests`."""

    def __init__(self, proxy_url: str, upstream_control_url: str, net_control_url: str) -> None:
        self.urls = {"proxy": proxy_url, "upstream": upstream_control_url, "link": net_control_url}

    def snapshot(self) -> Snapshot:
        """Ask all services at once; the slowest one sets the time it takes."""
        answers, notes = self._ask(_QUESTIONS)
        ledger = answers.pop("ledger")
        cursor, now = ledger and ledger.next, time.monotonic()
        return Snapshot(at=now, ledger_cursor=cursor, host_cpu=host_cpu(), notes=notes, **answers)

    def counters(self, before: Snapshot) -> Snapshot:
        """Return that snapshot with all counters as now, in the course of a run."""
        return self._counters(before, PATIENCE_SECONDS)

    def second(self, before: Snapshot, *, all_counters: bool) -> Snapshot:
        """Return that snapshot with the counters as now, once a second: of the pool alone, or of all services."""
        if all_counters:
            return self._counters(before, TIMEOUT_SECONDS[1])
        return replace(before, pool=self.pool(), at=time.monotonic())

    def _counters(self, before: Snapshot, read_seconds: float) -> Snapshot:
        answers, _ = self._ask({name: _QUESTIONS[name] for name in _COUNTERS}, read_seconds)
        return replace(before, at=time.monotonic(), host_cpu=host_cpu(), **answers)

    def conditions(self, before: Snapshot) -> Snapshot:
        """Return that snapshot with the link's conditions and the mock's faults as now: they may change in a run."""
        answers, _ = self._ask({name: _QUESTIONS[name] for name in _CONDITIONS})
        known = {name: answer for name, answer in answers.items() if answer is not None}
        return replace(before, at=time.monotonic(), **known)

    def ledger(self, cursor: str | None) -> LedgerPage | None:
        """Return all of the proxy's ledger since a cursor as one page; None if it cannot be read."""
        entries: list[LedgerEntry] = []
        dropped = 0
        while cursor is not None:
            page = self._quietly("proxy", f"/-/ledger?since={quote(cursor)}&limit={LEDGER_PAGE}", LedgerPage)
            if page is None:
                return None
            dropped += page.dropped
            entries += page.entries
            cursor = page.next if page.entries else None
            if cursor is None:
                return LedgerPage(dropped=dropped, entries=entries)
        return None

    def pool(self) -> PoolStats | None:
        return self._quietly("proxy", "/-/pool", PoolStats)

    def settled(self, run_id: str, before: Snapshot, patience_seconds: float) -> Snapshot:
        """Ask until no service has a request of the run in flight, and all that answered `before` answer.

        The last answer reaches Locust a moment before the proxy and the mock have counted it as done.
        """
        deadline = time.monotonic() + patience_seconds
        while True:
            snapshot = self.snapshot()
            if (not snapshot.in_flight(run_id) and not snapshot.silent_since(before)) or time.monotonic() > deadline:
                return snapshot
            gevent.sleep(0.05)

    def configs(self) -> dict[str, ServiceConfig]:
        """Return the /-/config of each service that answers it."""
        answers, _ = self._ask({service: (service, "/-/config", model) for service, model in CONFIGS.items()})
        return {service: answer for service, answer in answers.items() if answer is not None}

    def read(self, service: str, path: str, read_seconds: float = PATIENCE_SECONDS) -> tuple[int, bytes] | None:
        """Return status and body of a service's answer as they are; None without one."""
        try:
            return self._exchange("GET", service, path, read_seconds)
        except (requests.RequestException, OSError, ValueError):
            return None

    def change(self, service: str, changes: VariableValues) -> ServiceConfig:
        """Change settings of a service, all of them or none. Raises ChangeRefused."""
        try:
            status, content = self._exchange("PUT", service, "/-/config", PATIENCE_SECONDS, changes)
        except (requests.RequestException, OSError, ValueError):
            raise ChangeRefused([f"the {service} does not answer at {self.urls[service]}"]) from None
        source = f"the {service}'s answer to PUT /-/config"
        try:
            if status == 200:
                return parse(CONFIGS[service], content, source)
            raise ChangeRefused(parse(Mistakes, content, source).mistakes)
        except UnexpectedAnswer as error:
            raise ChangeRefused([str(error)]) from None

    def _ask(
        self, questions: Mapping[str, _Question], read_seconds: float = TIMEOUT_SECONDS[1]
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the parsed answers by name, and one note for each service that answered something unexpected."""
        notes: dict[str, str] = {}

        def ask(service: str, path: str, model: type[WireModel]) -> WireModel | None:
            try:
                return self._get(service, path, model, read_seconds)
            except UnexpectedAnswer as error:
                notes.setdefault(service, str(error))
                return None

        greenlets = {name: gevent.spawn(ask, *question) for name, question in questions.items()}
        gevent.joinall(list(greenlets.values()))
        return {name: greenlet.value for name, greenlet in greenlets.items()}, notes

    def executions(self, run_id: str) -> RunExecutions | None:
        """Return how often the upstream executed a run's POSTs; None if it had none with a key."""
        found = self._quietly("upstream", "/-/executions", MockExecutions)
        return None if found is None else found.runs.get(run_id)

    def _quietly(self, service: str, path: str, model: type[_Document]) -> _Document | None:
        """Ask in the course of a run; the snapshots before and after it have the notes."""
        try:
            return self._get(service, path, model)
        except UnexpectedAnswer:
            return None

    def _get(
        self, service: str, path: str, model: type[_Document], read_seconds: float = TIMEOUT_SECONDS[1]
    ) -> _Document | None:
        """Return the answer, None without one. Raises UnexpectedAnswer."""
        answer = self.read(service, path, read_seconds)
        if answer is None:
            return None
        status, content = answer
        document = path.partition("?")[0]
        if status == 404 and model is LedgerPage:  # PROXY_LEDGER=false
            return None
        if status != 200:
            raise UnexpectedAnswer(f"the {service} answered {document} with status {status}")
        return parse(model, content, f"the {service}'s answer to {document}")

    def _exchange(
        self, method: str, service: str, path: str, read_seconds: float, body: VariableValues | None = None
    ) -> tuple[int, bytes]:
        """Return status and body. Raises what requests and the sockets raise."""
        # A connection kept from one second to the next, or over the whole run, is one that the other end may be
        # closing at this moment: the request on it fails, and a service that is well seems not to answer.
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                f"{self.urls[service]}{path}",
                json=body,
                timeout=(TIMEOUT_SECONDS[0], read_seconds),
                allow_redirects=False,
            )
            return answer.status_code, answer.content
