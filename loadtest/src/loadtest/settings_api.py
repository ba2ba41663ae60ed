"""What the pages ask and change of the services' settings, under /lab."""

from collections.abc import Callable
from typing import Any, cast

from flask import Blueprint
from flask.typing import ResponseReturnValue
from locust.web import WebUI

from loadtest.recorder import Recorder
from loadtest.service_settings import ServiceSettings

View = Callable[..., ResponseReturnValue]


class SettingsApi:
    """Answers for the services: their control ports are not published."""

    def __init__(self, recorder: Recorder, service_settings: ServiceSettings) -> None:
        self._recorder = recorder
        self._service_settings = service_settings

    def blueprint(self, web_ui: WebUI, base_path: str) -> Blueprint:
        """Return the routes, behind Locust's login if that is on."""
        behind_login: Callable[[View], View] = cast("Any", web_ui).auth_required_if_enabled
        blueprint = Blueprint("lab_settings", __name__, url_prefix=f"{base_path}/lab")
        blueprint.add_url_rule("/settings/reset", "reset", behind_login(self.reset), methods=["POST"])
        return blueprint

    def reset(self) -> ResponseReturnValue:
        """Take the services back to the settings they started with."""
        mistakes = self._service_settings.reset(self._recorder.services())
        return ({"mistakes": mistakes}, 409) if mistakes else {"mistakes": []}
