"""`doctor`: what this machine has, and what follows from it."""

import asyncio
import json
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict

from lab.backends.compose.project import ComposeProject
from lab.backends.service_spec import Port
from lab.backends.status import SandboxStatus, inspect
from lab.backends.workspace import MODE_WORDS, Workspace
from lab.cli.console import print_json, results
from lab.cli.options import workspace_of
from service_kit.listening import is_free

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Fact(BaseModel):
    """One thing that was examined: what was found, whether it is enough, and what follows if not."""

    model_config = ConfigDict(frozen=True)

    name: str
    found: str
    good: bool
    follows: str = ""


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON and nothing else.")] = False,
) -> int:
    """Show what this machine has, and what follows."""
    findings, follows = asyncio.run(_examine(workspace_of(context)))
    if as_json:
        print_json(json.dumps({"findings": [one.model_dump() for one in findings], "follows": follows}, indent=1))
        return 0
    console = results()
    for one in findings:
        mark = "ok" if one.good else "--"
        console.print(f"{mark} {one.name:<11} {one.found}", markup=False, soft_wrap=True)
        if one.follows:
            console.print(f"{'':<14} {one.follows}", markup=False, soft_wrap=True)
    console.print(follows, markup=False, soft_wrap=True)
    return 0


async def _examine(workspace: Workspace) -> tuple[list[Fact], str]:
    status = await inspect(workspace)
    compose = ComposeProject(workspace.checkout.root, status.settings)
    why_not = await compose.why_not()
    findings = [
        Fact(name="Python", found=f"{platform.python_version()} ({sys.executable})", good=True),
        _venv(workspace.checkout.root),
        await _docker(compose, why_not),
        _cores(),
        _memory(),
        _tun(),
        _browser(),
        *_settings(status),
        *_ports(status),
    ]
    if status.mode:
        how = MODE_WORDS[status.mode]
        if status.missing:
            missing = ", ".join(status.missing)
            return findings, f"The sandbox is up only in part, {how}. Not running: {missing}; ./sandbox down, then up."
        return findings, f"The sandbox is up, {how}."
    if status.mistakes:
        return findings, "`./sandbox up` will refuse the settings, see above."
    taken = "; ports are taken, see above" if any(one.name == "port" and not one.good for one in findings) else ""
    how = f"run local processes ({why_not})" if why_not else "take Docker"
    return findings, f"`./sandbox up` will {how}{taken}."


def _venv(root: Path) -> Fact:
    stamps = [name for name in ("sandbox", "dev") if (root / ".venv" / f".{name}.stamp").is_file()]
    found = f"{root / '.venv'}: {', '.join(stamps) or 'nothing'} installed"
    follows = "" if "dev" in stamps else "./sandbox test will install what the tests need"
    return Fact(name=".venv", found=found, good=bool(stamps), follows=follows)


async def _docker(compose: ComposeProject, why_not: str | None) -> Fact:
    engine, version = await compose.engine_version(), await compose.compose_version()
    if why_not:
        return Fact(name="Docker", found=why_not, good=False, follows="everything runs as local processes")
    return Fact(name="Docker", found=f"engine {engine}, Compose {version}", good=True)


def _cores() -> Fact:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    follows = "" if cores >= 4 else "Locust, proxy and upstream compete for them: runs get limited by CPU early"
    return Fact(name="CPU cores", found=str(cores), good=cores >= 2, follows=follows)


def _memory() -> Fact:
    try:
        gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (ValueError, OSError):
        return Fact(name="memory", found="unknown", good=True)
    return Fact(name="memory", found=f"{gigabytes:.1f} GiB", good=gigabytes >= 2)


def _tun() -> Fact:
    there = Path("/dev/net/tun").exists()
    found = "/dev/net/tun is there" if there else "no /dev/net/tun"
    return Fact(name="tun", found=found, good=there, follows="" if there else "outside Docker the link is a relay")


def _browser() -> Fact:
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    follows = "" if browser else "only the browser test needs one"
    return Fact(name="chromium", found=browser or "none", good=browser is not None, follows=follows)


def _settings(status: SandboxStatus) -> list[Fact]:
    wrong = [Fact(name="settings", found=mistake, good=False) for mistake in status.mistakes]
    return wrong or [Fact(name="settings", found=".env and the shell: no mistake", good=True)]


def _ports(status: SandboxStatus) -> list[Fact]:
    variables = status.settings
    taken = [
        _taken(service, port, port.number(variables), port.number(variables) in status.held)
        for service, port in status.ports
        if not is_free(port.host(variables), port.number(variables))
    ]
    numbers = ", ".join(str(port.number(variables)) for _, port in status.ports)
    return taken or [Fact(name="ports", found=f"{numbers} are free", good=True)]


def _taken(service: str, port: Port, number: int, ours: bool) -> Fact:
    follows = "by the sandbox itself" if ours else f"by another program; set {port.variable} to a free port"
    return Fact(name="port", found=f"{number} ({service}) is in use", good=ours, follows=follows)
