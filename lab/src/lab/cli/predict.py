"""`predict`: what to expect of a run with these settings, before anything runs."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from lab.backends.preflight import settings_in_force
from lab.backends.service_spec import ServiceSpec
from lab.backends.services import LINK, LOCUST, PROXY, UPSTREAM_MOCK
from lab.backends.variables import merge, parse_assignments
from lab.backends.workspace import Workspace
from lab.cli.console import notes, print_json, results
from lab.cli.options import LoadOptions, workspace_of
from lab.prediction.from_settings import ReportedSettings
from lab.prediction.prediction import prediction_of
from lab.prediction.words import forecast_rows
from lab.wire.link import LinkConfig
from lab.wire.mock import MockConfig
from lab.wire.proxy import ProxyConfig
from lab.wire.service import ServiceConfig, parse
from service_kit.exits import ExitCode

Config = TypeVar("Config", bound=ServiceConfig)

_QUIET_SECONDS = 1.5


def predict(
    context: typer.Context,
    variables: Annotated[list[str] | None, typer.Argument(metavar="[VAR=value ...]", help="Settings.")] = None,
    users: Annotated[int | None, typer.Option(min=1, max=10_000, help="Users, all at once.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the prediction as JSON only.")] = False,
) -> int:
    """Predict a run from its settings, by queueing theory. Nothing is started.

    The settings go on top of .env and the shell, as for `run`. Prints throughput, latency, the wait for a connection,
    what is in use, and what the figures assume. Each run's document has its prediction beside what was measured.

    \b
    ./sandbox predict --users 60 PROXY_MAX_CONNECTIONS=20 \\
        UPSTREAM_LATENCY='lognormal(80ms, p99=600ms)'
    """
    assignments = parse_assignments(variables or [])
    LoadOptions(users).add_to(assignments)
    settings = asyncio.run(reported_settings(workspace_of(context), assignments))
    prediction = prediction_of(settings)
    if as_json:
        print_json(prediction.model_dump_json(indent=1))
        return ExitCode.OK
    table = Table.grid(padding=(0, 2))
    table.add_column(width=10)
    for name, text in forecast_rows(prediction):
        table.add_row(name, Text(text))
    results().print(table)
    return ExitCode.OK


async def reported_settings(workspace: Workspace, assignments: dict[str, str]) -> ReportedSettings:
    """Ask each service what the baseline and these assignments come to. Raise UsageError with their mistakes."""
    variables = merge(workspace.baseline(), assignments)
    asked = asyncio.create_task(settings_in_force(workspace.services, variables, workspace.checkout))
    done, _ = await asyncio.wait({asked}, timeout=_QUIET_SECONDS)
    if not done:
        notes().print("asking the services what the settings come to ...")
    printed = await asked
    load = _parsed(ServiceConfig, LOCUST, printed)
    proxy = _parsed(ProxyConfig, PROXY, printed)
    link = _parsed(LinkConfig, LINK, printed)
    mock = _parsed(MockConfig, UPSTREAM_MOCK, printed)
    return ReportedSettings(load.settings, proxy.settings, link.configured, mock.settings, mock.latency)


def _parsed(model: type[Config], service: ServiceSpec, printed: Mapping[str, str]) -> Config:
    return parse(model, printed[service.name], f"what {service.name} --config prints")
