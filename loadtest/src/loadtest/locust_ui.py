"""What the sandbox adds to Locust's own pages: a script, a tab that opens our page of runs, checks of the start form.

All of it goes through Flask's ordinary hooks, but the HTML that is added to is no stable interface of Locust's: a
test checks that `</body>` is there.
"""

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, jsonify, request
from locust import events
from locust.runners import STATE_CLEANUP, STATE_RUNNING, STATE_STOPPING
from locust.web import WebUI

from lab.run_settings import timespan_seconds
from loadtest.live_api import LiveApi
from loadtest.options import form_mistakes
from loadtest.plotly_route import PlotlyRoute
from loadtest.recorder import Recorder
from loadtest.run_lock import RunLocks
from loadtest.same_origin import REFUSED, is_same_origin
from loadtest.service_fields import by_field
from loadtest.service_settings import ServiceSettings
from loadtest.services_api import ServicesApi
from loadtest.start_api import StartApi
from loadtest.users.locust_shape import take_shape
from loadtest.web_api import WebApi

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SCRIPT = (
    '<script type="module" src="./lab/static/sandbox.js"></script>'
    '<script type="module" src="./lab/static/pool_tab.js"></script>'
)
TABS = [{"title": "Pool", "key": "sandbox-pool"}]
"""Locust shows a tab with an empty panel; pool_tab.js fills it."""


def install(web_ui: WebUI, recorder: Recorder, service_settings: ServiceSettings, base_path: str) -> None:
    """Add the tab, the pages and the hooks to Locust's web UI, before it accepts requests."""
    assert isinstance(web_ui.app, Flask)
    web_ui.template_args["extended_csv_files"] = [{"href": "./lab/runs.csv", "title": "Download all sandbox runs"}]
    web_ui.template_args["extended_tabs"] = TABS
    locks = RunLocks()
    test_start: Any = events.test_start  # untyped
    test_start.add_listener(lambda **_: locks.started())  # after the recorder's: it has the run by then
    hooks = Hooks(recorder, service_settings, locks)
    web_ui.app.before_request(hooks.before)
    web_ui.app.after_request(hooks.after)
    web_ui.app.register_blueprint(WebApi(recorder, locks).blueprint(web_ui, base_path))
    web_ui.app.register_blueprint(StartApi(recorder, locks).blueprint(web_ui, base_path))
    web_ui.app.register_blueprint(ServicesApi(recorder, service_settings, locks).blueprint(web_ui, base_path))
    web_ui.app.register_blueprint(LiveApi(recorder).blueprint(web_ui, base_path))
    web_ui.app.add_url_rule(f"{base_path}/lab/plotly.js", "plotly", PlotlyRoute().serve)


class Hooks:
    """Flask's hooks around Locust's own views."""

    def __init__(self, recorder: Recorder, service_settings: ServiceSettings, locks: RunLocks) -> None:
        self._recorder = recorder
        self._service_settings = service_settings
        self._locks = locks

    def before(self) -> Response | None:
        """Keep changes to our own pages; make the start form, and change what it asks for before a run."""
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if request.method not in SAFE and not is_same_origin(site, origin, request.host):
            return Response(REFUSED, 403)
        if request.endpoint == "locust.index":
            self._service_settings.refresh(self._recorder.services())
        return self._start() if request.endpoint == "locust.swarm" else None

    def _start(self) -> Response | None:
        """Refuse a start form that cannot be run with; wait until the run before is saved."""
        if mistakes := form_mistakes(request.form):
            return self._refused(list(mistakes.values()), mistakes)
        if self._recorder.current is None and (line := self._locks.begin()) is not None:
            return self._refused([line])
        self._recorder.wait_until_idle()
        if lines := self._service_settings.apply(self._recorder.services(), request.form):
            self._locks.started()
            return self._refused(lines, by_field(lines))
        if self._recorder.current is None:
            run_time = request.form.get("run_time")
            seconds = float(timespan_seconds(run_time)) if run_time else None
            self._recorder.ask_run_time(seconds)
            users = int(request.form.get("user_count") or 1)
            take_shape(self._recorder.environment, request.form.get("shape", ""), users, seconds)
        return None

    def _refused(self, lines: list[str], fields: Mapping[str, str] | None = None) -> Response:
        """Answer as Locust does; `fields`, lines by the names of the form's fields, are for our own script."""
        host = self._recorder.environment.host
        return jsonify({"success": False, "message": "; ".join(lines), "host": host, "fields": fields or {}})

    def after(self, response: Response) -> Response:
        """Add the script to Locust's page, which is to show a run until it has stopped."""
        if request.endpoint == "locust.swarm" and not (response.get_json(silent=True) or {}).get("success"):
            self._locks.started()
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            page = response.get_data(as_text=True).replace("</body>", f"{SCRIPT}</body>")
            response.set_data(page.replace(f'"state": "{STATE_CLEANUP}"', f'"state": "{STATE_RUNNING}"'))
        elif request.endpoint == "locust.request_stats" and response.is_json:
            # The page asks no more after any other state, and would show STOP and not NEW for good.
            figures = response.get_json()
            if figures.get("state") in (STATE_CLEANUP, STATE_STOPPING):
                response.set_data(jsonify({**figures, "state": STATE_RUNNING}).get_data())
        return response
