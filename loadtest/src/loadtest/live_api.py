"""What the live page asks for: the new points of the run as figures, the pool's slots, and what limits it now."""

import time
from dataclasses import asdict
from pathlib import Path

from flask import Blueprint, request, send_from_directory
from flask.typing import ResponseReturnValue
from locust.web import WebUI

from lab.conclusion import Verdict
from lab.figures.live import live_figures
from lab.live_point import LivePoint, points_of
from lab.pool_slots import pool_slots
from lab.run_document import RunDocument
from lab.run_name import run_name
from lab.store import RunNotFound
from lab.wire.proxy import PoolStats
from lab.wording import limit_label
from loadtest.live_history import LiveHistory
from loadtest.locust_glue import login_of
from loadtest.recorder import Recorder

STATIC = Path(__file__).with_name("static")
POOL_KEPT_SECONDS = 1.0
MOST_POINTS = 600


class LiveApi:
    """Answers from the run under way, or else from the last one."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._asked_at = -POOL_KEPT_SECONDS
        self._pool: PoolStats | None = None
        self._saved: RunDocument | None = None

    def blueprint(self, web_ui: WebUI, base_path: str) -> Blueprint:
        """Return the routes, behind Locust's login if that is on."""
        behind_login = login_of(web_ui)
        blueprint = Blueprint("lab_live", __name__, url_prefix=f"{base_path}/lab")
        blueprint.add_url_rule("/pool", "pool_page", behind_login(self.page))
        blueprint.add_url_rule("/pool.json", "pool", behind_login(self.pool))
        return blueprint

    def page(self) -> ResponseReturnValue:
        return send_from_directory(STATIC, "pool.html", max_age=0)

    def pool(self) -> ResponseReturnValue:
        """The points from number `since` on of run `run`; all there are if it is another one."""
        since, asked, live = request.args.get("since", 0, type=int), request.args.get("run"), self._recorder.live
        saved = self._newer_than(live)
        if live is not None and saved is None:
            first, points = live.since(since if asked == live.run.id else 0)
            return self._answer(self._of_live(live), first, points)
        points = points_of(saved)[-MOST_POINTS:] if saved is not None else []
        first = len(points) if saved is not None and asked == saved.id else 0
        return self._answer(None if saved is None else _of_saved(saved), first, points[first:])

    def _answer(self, run: dict[str, object] | None, first: int, points: list[LivePoint]) -> ResponseReturnValue:
        pool = self._current_pool()
        return {
            "run": run,
            "from": first,
            "next": first + len(points),
            "most": MOST_POINTS,
            "figures": [asdict(figure) for figure in live_figures(points)],
            "pool": asdict(pool_slots(pool)) if pool is not None else None,
        }

    def _of_live(self, live: LiveHistory) -> dict[str, object]:
        """Describe the run under way, or the one that has just ended."""
        run, last = live.run, self._recorder.last
        if self._recorder.current is run:
            limit = live.limit_now()
            words = _limit(limit.verdict) | {"since_seconds": limit.since_seconds, "advice": ""} if limit else None
            state, t_seconds = "stopping" if run.stopping else "running", run.elapsed()
            described = {"state": state, "t_seconds": round(t_seconds, 1), "of_seconds": run.of_seconds, "limit": words}
            return {"id": run.id, "name": live.name} | described
        if last is not None and last.id == run.id:
            return _of_saved(last)
        return {"id": run.id, "name": live.name, "state": "ended", "limit": None}

    def _current_pool(self) -> PoolStats | None:
        """Return the pool as a run under way has asked for it; else it is asked, once a second at most."""
        live = self._recorder.live
        if live is not None and self._recorder.current is live.run and live.next:
            return live.pool
        if time.monotonic() - self._asked_at > POOL_KEPT_SECONDS:
            self._asked_at = time.monotonic()
            self._pool = self._recorder.services().pool()
        return self._pool

    def _newer_than(self, live: LiveHistory | None) -> RunDocument | None:
        """Return the newest saved run, unless it is the one of `live`: of another Locust, or before this one began."""
        last = self._recorder.last
        if live is not None and (last is None or last.id != live.run.id):
            return None  # under way, or just being saved
        saved = self._newest_saved()
        return None if saved is not None and live is not None and saved.id == live.run.id else saved

    def _newest_saved(self) -> RunDocument | None:
        summaries = self._recorder.store.summaries()
        if summaries and (self._saved is None or self._saved.id != summaries[0].id):
            try:
                self._saved = self._recorder.store.read(summaries[0].id)
            except RunNotFound:  # deleted meanwhile
                return None
        return self._saved if summaries else None


def _of_saved(run: RunDocument) -> dict[str, object]:
    name = run_name(run.label, run.started_at, run.id)
    return {"id": run.id, "name": name, "state": "ended", "status": run.status, "limit": _limit(run.verdict)}


def _limit(verdict: Verdict) -> dict[str, object]:
    """Return what limits a run, in words."""
    because = verdict.because[:1].upper() + verdict.because[1:]
    also = [one.because for one in verdict.also]
    label = limit_label(verdict.bottleneck)
    return {
        "bottleneck": verdict.bottleneck,
        "label": label,
        "because": because,
        "also": also,
        "advice": verdict.advice.words,
    }
