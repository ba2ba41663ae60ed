"""What the sandbox adds to Locust's own pages: a script, a tab that opens our page of runs, checks of the start form.

All of it goes through Flask's ordinary hooks, but the HTML that is added to is no stable interface of Locust's: a
test checks that `</body>` is there.
"""

from flask import Flask, Response, jsonify, request
from locust.web import WebUI

from lab.run_settings import timespan_seconds
from loadtest.options import form_mistakes
from loadtest.recorder import Recorder
from loadtest.web_api import WebApi

SCRIPT = '<script type="module" src="./lab/static/sandbox.js"></script>'


def install(web_ui: WebUI, recorder: Recorder, base_path: str) -> None:
    """Add the tab, the pages and the hooks to Locust's web UI, before it accepts requests."""
    assert isinstance(web_ui.app, Flask)
    web_ui.template_args["extended_csv_files"] = [{"href": "./lab/runs.csv", "title": "Download all sandbox runs"}]
    hooks = Hooks(recorder)
    web_ui.app.before_request(hooks.before)
    web_ui.app.after_request(hooks.after)
    web_ui.app.register_blueprint(WebApi(recorder).blueprint(web_ui, base_path))


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
            self._recorder.ask_run_time(float(timespan_seconds(run_time)) if run_time else None)
        return None

    def after(self, response: Response) -> Response:
        """Add the script to Locust's page."""
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            response.set_data(response.get_data(as_text=True).replace("</body>", f"{SCRIPT}</body>"))
        return response
