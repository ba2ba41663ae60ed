"""The page of the services: what they know, and their settings. Their control ports are not published."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request, send_from_directory
from flask.typing import ResponseReturnValue
from locust.web import WebUI

from lab.live_settings import env_text, set_values
from lab.wire.service import ServiceConfig
from loadtest.locust_glue import login_of
from loadtest.recorder import Recorder
from loadtest.run_lock import RunLocks
from loadtest.service_fields import by_field
from loadtest.service_settings import ServiceSettings
from service_kit.settings_errors import mistake

STATIC = Path(__file__).with_name("static")

DOCUMENTS: Mapping[str, frozenset[str]] = {
    "proxy": frozenset({"config", "pool"}),
    "upstream": frozenset({"config", "stats", "faults", "connections", "requests", "executions"}),
    "link": frozenset({"config", "stats"}),
}
"""What may be read of each service; nothing else is passed on."""

PARAMETERS = frozenset({"since", "run"})


class ServicesApi:
    """Reads the services' own documents for the page, and changes their settings."""

    def __init__(self, recorder: Recorder, service_settings: ServiceSettings, locks: RunLocks) -> None:
        self._recorder = recorder
        self._service_settings = service_settings
        self._locks = locks

    def blueprint(self, web_ui: WebUI, base_path: str) -> Blueprint:
        """Return the routes, behind Locust's login if that is on."""
        behind_login = login_of(web_ui)
        blueprint = Blueprint("lab_services", __name__, url_prefix=f"{base_path}/lab/services")
        blueprint.add_url_rule("/", "page", behind_login(self.page))
        blueprint.add_url_rule("/<service>/<document>.json", "document", behind_login(self.document))
        blueprint.add_url_rule("/settings.json", "settings", behind_login(self.settings))
        blueprint.add_url_rule("/settings.json", "change", behind_login(self.change), methods=["PUT"])
        blueprint.add_url_rule("/reset", "reset", behind_login(self.reset), methods=["POST"])
        return blueprint

    def page(self) -> ResponseReturnValue:
        return send_from_directory(STATIC, "services.html", max_age=0)

    def document(self, service: str, document: str) -> ResponseReturnValue:
        """One document of a service, as it is."""
        if document not in DOCUMENTS.get(service, ()):
            return {"error": f"no such document; there are {_listed()}"}, 404
        query = urlencode({name: value for name, value in request.args.items() if name in PARAMETERS})
        answer = self._recorder.services().read(service, f"/-/{document}{'?' * bool(query)}{query}")
        if answer is None:
            return {"error": f"the {service} does not answer"}, 502
        status, content = answer
        return Response(content, status, mimetype="application/json")

    def settings(self) -> ResponseReturnValue:
        """The settings that can be changed, by service: their values, at the start if they differ, what is allowed."""
        configs = self._recorder.services().configs()
        found = [
            {
                "service": service,
                "fixed_because": config.fixed_because,
                "fields": _fields(config),
            }
            for service, config in configs.items()
        ]
        return {"services": found}

    def change(self) -> ResponseReturnValue:
        """Change settings, a JSON object of variables; all of them or none."""
        try:
            asked = json.loads(request.get_data())
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or not all(isinstance(value, str) for value in asked.values()):
            return {"mistakes": ["not a JSON object of variables and texts"], "fields": {}}, 400
        known = {name for config in self._recorder.services().configs().values() for name in config.changeable}
        lines = [mistake(name, value, "not to be changed here; allowed: in .env, with a restart")
                 for name, value in asked.items() if name not in known]  # fmt: skip
        return self._changed(lines or self._refusal() or self._service_settings.apply(self._recorder.services(), asked))

    def reset(self) -> ResponseReturnValue:
        """Take the services back to the settings they started with."""
        return self._changed(self._refusal() or self._service_settings.reset(self._recorder.services()))

    def _refusal(self) -> list[str]:
        """Return why nothing may be changed now: a run from the command line has settings of its own."""
        other = self._locks.other_run
        return [f"a run from the command line is on ({other}); change it when that has ended"] if other else []

    def _changed(self, lines: list[str]) -> ResponseReturnValue:
        return {"mistakes": lines, "fields": by_field(lines)}, 409 if lines else 200


def _fields(config: ServiceConfig) -> list[dict[str, Any]]:
    """Return the fields of the page; `was` is the value at the start, null if it is the same."""
    before = {name: env_text(value) or "unset" for name, value in config.started_with.items()}
    values = set_values(config)
    return [
        {
            "variable": name,
            "value": values[name],
            "was": before.get(name),
            "allowed": takes.allowed,
            "choices": takes.choices,
        }
        for name, takes in config.changeable.items()
    ]


def _listed() -> str:
    return ", ".join(f"{service}/{name}.json" for service, names in DOCUMENTS.items() for name in sorted(names))
