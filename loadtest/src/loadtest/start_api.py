"""What a start of a run asks beside Locust's own form: values in force, an advice, the lock. Under /lab."""

from collections.abc import Callable, Mapping
from dataclasses import asdict

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from locust.web import WebUI
from pydantic import ValidationError

from lab.run_document import RunDocument
from lab.store import RunNotFound
from lab.wire.locust import LockRefused, RunLock
from lab.wire.service import ServiceConfig
from loadtest.advised_run import advised, advised_form
from loadtest.locust_glue import login_of
from loadtest.recorder import Recorder
from loadtest.run_lock import RunLocks
from loadtest.run_pages import read_runs
from loadtest.service_fields import service_fields


class StartApi:
    """Answers the page's scripts, and the command line."""

    def __init__(self, recorder: Recorder, locks: RunLocks) -> None:
        self._recorder = recorder
        self._locks = locks

    def blueprint(self, web_ui: WebUI, base_path: str) -> Blueprint:
        """Return the routes, behind Locust's login if that is on; not so the lock, which programs use."""
        behind_login = login_of(web_ui)
        blueprint = Blueprint("lab_start", __name__, url_prefix=f"{base_path}/lab")
        blueprint.add_url_rule("/fields.json", "fields", behind_login(self.fields))
        blueprint.add_url_rule("/runs/<run_id>/advised.json", "advised", behind_login(self.advised))
        blueprint.add_url_rule("/runs/<run_id>/advice.json", "advice", behind_login(self.advice))
        blueprint.add_url_rule("/run-lock", "run_lock", self.run_lock, methods=["PUT", "DELETE"])
        return blueprint

    def run_lock(self) -> ResponseReturnValue:
        """Give, renew or take back the lock of a run from the command line."""
        try:
            lock = RunLock.model_validate_json(request.get_data())
        except ValidationError:
            return {"because": "not a lock"}, 400
        if request.method == "DELETE":
            self._locks.release(lock)
            return lock.model_dump()
        busy = self._recorder.current is not None or not self._recorder.idle.is_set()
        refused = self._locks.take(lock, ui_is_busy=busy)
        return lock.model_dump() if refused is None else (LockRefused(because=refused).model_dump(), 409)

    def fields(self) -> ResponseReturnValue:
        """The values in force of the form's fields that are settings of the services."""
        fields = service_fields(self._recorder.services().configs())
        return {field.name: field.value for field in fields}

    def advised(self, run_id: str) -> ResponseReturnValue:
        """The start form of a run once more, with its advice."""
        return self._of_run(run_id, advised_form)

    def advice(self, run_id: str) -> ResponseReturnValue:
        """What the advice of a run sets, and what of it needs a restart."""
        return self._of_run(run_id, lambda run, configs: asdict(advised(run, configs)))

    def _of_run(
        self, run_id: str, answer: Callable[[RunDocument, Mapping[str, ServiceConfig]], ResponseReturnValue]
    ) -> ResponseReturnValue:
        try:
            (run,) = read_runs(self._recorder.store, [run_id])
        except RunNotFound as error:
            return {"error": str(error)}, 404
        return answer(run, self._recorder.services().configs())
