"""What the sandbox adds to Locust's own pages: a script, the rows of the Runs tab, and care about the start form.

All of it goes through Flask's ordinary hooks, but the HTML that is added to is no stable interface of Locust's: a
test holds that `</body>` is there and that the tab is filled.
"""

from typing import Any

from flask import Flask, Response, jsonify, request
from locust.web import WebUI

from loadtest.options import form_mistakes
from loadtest.recorder import Recorder
from loadtest.runs_tab import COLUMNS, EMPTY, row
from loadtest.settings import seconds
from loadtest.web_api import Cockpit

TAB = "sandbox-runs"
ROWS = 50
SCRIPT = '<script type="module" src="./lab/static/sandbox.js"></script>'


def install(web_ui: WebUI, recorder: Recorder, base_path: str) -> None:
    """Add the tab, the pages and the hooks to Locust's web UI, before it accepts requests."""
    assert isinstance(web_ui.app, Flask)
    web_ui.template_args["extended_tabs"] = [{"title": "Runs", "key": TAB}]
    structure = [{"key": key, "title": title} for key, title in COLUMNS]
    web_ui.template_args["extended_tables"] = [{"key": TAB, "structure": structure}]
    web_ui.template_args["extended_csv_files"] = [{"href": "./lab/runs.csv", "title": "Download all sandbox runs"}]
    hooks = Hooks(recorder)
    web_ui.app.before_request(hooks.before)
    web_ui.app.after_request(hooks.after)
    web_ui.app.register_blueprint(Cockpit(recorder).blueprint(web_ui, base_path))


class Hooks:
    """Flask's hooks around Locust's own views."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def before(self) -> Response | None:
        """Refuse a start form that cannot be run with; wait until the run before is saved."""
        if request.endpoint != "locust.swarm":
            return None
        if lines := form_mistakes(request.form):
            return jsonify({"success": False, "message": "; ".join(lines), "host": self._recorder.environment.host})
        self._recorder.wait_until_idle()
        if self._recorder.current is None:
            run_time = request.form.get("run_time")
            self._recorder.ask_run_time(float(seconds(run_time)) if run_time else None)
        return None

    def after(self, response: Response) -> Response:
        """Add the rows to Locust's statistics, the script to its page."""
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            response.set_data(response.get_data(as_text=True).replace("</body>", f"{SCRIPT}</body>"))
        elif request.path.endswith("/stats/requests") and response.is_json:
            response.set_data(jsonify(self._with_runs(response.get_json())).get_data())
        return response

    def _with_runs(self, statistics: dict[str, Any]) -> dict[str, Any]:
        rows = [row(summary) for summary in self._recorder.store.summaries()[:ROWS]]
        # Locust's page stops asking when it reads "stopped": not before the run's row is there.
        state = statistics.get("state") if self._recorder.idle.is_set() else "running"
        return {**statistics, "state": state, "extended_stats": [{"key": TAB, "data": rows or [EMPTY]}]}
