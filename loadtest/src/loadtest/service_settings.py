"""Changes settings of the services while they run, from the start form, and takes them back to those of .env."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gevent
from gevent.lock import Semaphore

from lab.live_settings import undone
from lab.wire.link import LinkConfig
from lab.wire.service import ServiceConfig, VariableValues
from loadtest.service_fields import ServiceField, requested_changes, service_fields
from loadtest.services import ChangeRefused, Services

if TYPE_CHECKING:  # importing Locust patches the whole process: tests of this class do without
    from locust.argument_parser import LocustArgumentParser

MEASURED_WITHIN_SECONDS = 15.0
"""How long the link may take to measure a network that has been changed, before a run begins without it."""


class ServiceSettings:
    """The services' settings on the start form. `fields` are those of the page that is being made."""

    def __init__(self) -> None:
        self.fields: list[ServiceField] = []
        self._changing = Semaphore()

    def add_options(self, parser: "LocustArgumentParser") -> None:
        """Add the fields to Locust's parser, which is made anew for each page."""
        for field in self.fields:
            option = f"--{field.name.replace('_', '-')}"
            parser.add_argument(option, default=field.value, choices=list(field.choices) or None, help=field.help)

    def refresh(self, services: Services) -> None:
        """Ask for the values in force, before a page is made."""
        self.fields = service_fields(services.configs())

    def apply(self, services: Services, form: Mapping[str, str]) -> list[str]:
        """Change what a sent form has otherwise; return a line for each mistake, and then nothing is changed."""
        with self._changing:
            before = services.configs()
            return _change(services, before, requested_changes(before, form))

    def reset(self, services: Services) -> list[str]:
        """Take every service back to the settings it started with; return a line for each that refuses."""
        with self._changing:
            before = services.configs()
            return _change(services, before, {name: config.started_with for name, config in before.items()})


def _change(
    services: Services, before: Mapping[str, ServiceConfig], changes: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Change all services or none; return a line for each mistake."""
    changes = {service: dict(each) for service, each in changes.items() if each}
    answers = {service: gevent.spawn(_put, services, service, dict(each)) for service, each in changes.items()}
    gevent.joinall(list(answers.values()))
    mistakes = [line for greenlet in answers.values() for line in greenlet.value]
    if mistakes:
        for service, greenlet in answers.items():
            if not greenlet.value:
                mistakes += _put(services, service, undone(before[service], changes[service]))
    elif "link" in changes:
        _wait_until_measured(services)
    return mistakes


def _put(services: Services, service: str, changes: VariableValues) -> list[str]:
    try:
        services.change(service, changes)
    except ChangeRefused as refused:
        return refused.lines
    return []


def _wait_until_measured(services: Services) -> None:
    """Wait until the link has measured its new network: what it sends for that is no part of a run."""
    deadline = time.monotonic() + MEASURED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        config = services.configs().get("link")
        if not isinstance(config, LinkConfig) or config.measured is not None or config.engine == "off":
            return
        gevent.sleep(0.2)
