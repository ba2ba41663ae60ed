"""The sandbox's own pages and JSON beside Locust's: past runs, comparison, live figures, health. All under /lab."""

import time
from dataclasses import asdict
from functools import partial

import gevent
from flask import Blueprint, Response, jsonify, redirect, request, send_from_directory
from flask.typing import ResponseReturnValue
from locust.web import WebUI

from lab.comparison.compare import compare
from lab.emulation import Network
from lab.run_document import PartSettings, RunDocument
from lab.run_name import group_words, run_name
from lab.store import RunNotFound, RunSummary, csv_text
from lab.wire.locust import ChangedServices, LocustHealth
from lab.wire.service import VariableValues
from lab.wording import limit_label, network_of
from loadtest.advised_run import advised
from loadtest.locust_glue import View, login_of
from loadtest.recorder import Recorder
from loadtest.run_lock import RunLocks
from loadtest.run_pages import COMPARED_AT_MOST, STATIC, WRONG_NUMBER, RunPages, read_runs
from loadtest.snapshot import Snapshot
from loadtest.status_bar import differing_words, last_words, settings_words, silent_words

COMPOSE_SERVICES = {"proxy": "proxy", "upstream": "upstream-mock", "link": "link"}
"""The services by the names that Compose and the command line have for them."""

SETTINGS_KEPT_SECONDS = 2.0


class WebApi:
    """Answers the pages' requests from what the recorder has."""

    def __init__(self, recorder: Recorder, locks: RunLocks) -> None:
        self._recorder = recorder
        self._locks = locks
        self._begun: Snapshot | None = None
        self._newest: Snapshot | None = None

    def blueprint(self, web_ui: WebUI, base_path: str) -> Blueprint:
        """Return the routes. Health and static files are open, the rest is behind Locust's login if that is on."""
        behind_login = login_of(web_ui)
        gevent.get_hub().threadpool.spawn(self._recorder.store.summaries)  # the first list of many takes a second
        blueprint = Blueprint("lab", __name__, url_prefix=f"{base_path}/lab")
        routes: list[tuple[str, View]] = [
            ("/live.json", self.live),
            ("/settings.json", self.settings),
            ("/changed.json", self.changed),
            ("/runs.json", self.runs),
            ("/runs/<run_id>.json", self.run),
            ("/runs.csv", self.runs_csv),
            ("/compare.json", self.compare),
            *RunPages(self._recorder.store, self._under_way).routes().items(),
        ]
        for path, view in routes:
            blueprint.add_url_rule(path, view.__name__, behind_login(view))
        blueprint.add_url_rule("/health", "health", self.health)
        blueprint.add_url_rule("/static/<path:path>", "static_file", partial(send_from_directory, STATIC, max_age=0))
        blueprint.add_url_rule("", "bare", lambda: redirect(f"{base_path}/lab/"))
        return blueprint

    def health(self) -> ResponseReturnValue:
        """Locust serves; and what it is doing."""
        run = self._recorder.current
        workers = self._recorder.worker_count()
        return LocustHealth(state=self._state(), workers=workers, run_id=run.id if run else None).model_dump()

    def live(self) -> ResponseReturnValue:
        """The state, the settings in force, the run under way since second `since`, and the verdict of the last one."""
        since, run, last = request.args.get("since", 0.0, type=float), self._recorder.current, self._recorder.last
        snapshot, in_force = self._in_force()
        before, network = self._before(last)
        return {
            "state": self._state(),
            "run": run and {"id": run.id, "label": run.label, "t_seconds": run.elapsed(), "of_seconds": run.of_seconds},
            "settings": settings_words(in_force, before, _network(snapshot), network),
            "other_run": self._locks.other_run,
            "differing": differing_words(snapshot),
            "caveats": snapshot.network_config.caveats if snapshot.network_config else [],
            "silent": silent_words(in_force, self._recorder.services().urls, snapshot.notes),
            "points": [point.model_dump() for point in self._recorder.points() if point.t_seconds > since],
            "last": last_words(last) if last is not None else None,
            "advised": asdict(advised(last, snapshot.configs)) if last is not None else None,
            "runs": self._recorder.store.count(),
        }

    def settings(self) -> ResponseReturnValue:
        """The settings in force, as the parts report them."""
        return self._in_force()[1].model_dump(mode="json")

    def changed(self) -> ResponseReturnValue:
        """Which services were changed over HTTP since they started, asked now: a run begins with none of it."""
        configs = self._recorder.services().configs()
        changed = [COMPOSE_SERVICES[name] for name, config in configs.items() if config.changed]
        return ChangedServices(services=changed).model_dump()

    def runs(self) -> ResponseReturnValue:
        summaries = self._recorder.store.summaries()
        return jsonify([_row(summary) for summary in summaries])

    def run(self, run_id: str) -> ResponseReturnValue:
        """One run document, whole."""
        try:
            (document,) = read_runs(self._recorder.store, [run_id])
        except RunNotFound as error:
            return {"error": str(error)}, 404
        return Response(document.model_dump_json(indent=1), mimetype="application/json")

    def runs_csv(self) -> ResponseReturnValue:
        """All runs in short, as a table for a spreadsheet."""
        name = {"Content-Disposition": "attachment;filename=pool-sandbox-runs.csv"}
        return Response(csv_text(self._recorder.store.summaries()), mimetype="text/csv", headers=name)

    def compare(self) -> ResponseReturnValue:
        """Two or more runs side by side: /lab/compare.json?run=...&run=..."""
        chosen = request.args.getlist("run")
        if not 2 <= len(chosen) <= COMPARED_AT_MOST:
            return {"error": WRONG_NUMBER}, 400
        try:
            documents = read_runs(self._recorder.store, chosen)
        except RunNotFound as error:
            return {"error": str(error)}, 404
        comparison = compare(documents)
        limits = [{"bottleneck": limit, "label": limit_label(limit)} for limit in comparison.limits]
        return {**comparison.model_dump(mode="json"), "limits": limits}

    def _under_way(self) -> str | None:
        run = self._recorder.current
        return run.id if run is not None else None

    def _state(self) -> str:
        return str(self._recorder.runner.state) if self._recorder.idle.is_set() else "stopping"

    def _before(self, last: RunDocument | None) -> tuple[PartSettings | None, Network | None]:
        """Return settings and network of the run under way, or of the last one, to compare those in force with."""
        run = self._recorder.current
        if run is not None:
            return run.before.part_settings(run.load_settings), _network(run.before)
        if last is None:
            return None, None
        return last.settings.start, last.network

    def _in_force(self) -> tuple[Snapshot, PartSettings]:
        """Return the services' answers now, asked at most every 2 s; during a run only what may change in one."""
        run = self._recorder.current
        begun = run.before if run is not None else None
        newest = self._newest
        if newest is None or begun is not self._begun or time.monotonic() - newest.at > SETTINGS_KEPT_SECONDS:
            services = self._recorder.services()
            newest = services.snapshot() if begun is None else services.conditions(begun)
            self._begun, self._newest = begun, newest
        return newest, newest.part_settings(self._load() if run is None else run.load_settings)

    def _load(self) -> VariableValues:
        """Locust's own settings between runs: those of the last one, or what the start form begins with."""
        last = self._recorder.last
        return (last.settings.end.load if last is not None else None) or self._recorder.settings_of_load()


def _row(summary: RunSummary) -> dict[str, object]:
    name = run_name(summary.label, summary.started_at, summary.id)
    return {
        **summary.model_dump(mode="json"),
        "name": name,
        "limit": limit_label(summary.bottleneck),
        "group_words": group_words(summary.group),
    }


def _network(snapshot: Snapshot) -> Network | None:
    return network_of(snapshot.network_config) if snapshot.network_config else None
