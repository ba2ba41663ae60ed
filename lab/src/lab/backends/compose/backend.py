"""Runs in Docker Compose."""

import asyncio
import contextlib
import json
import secrets

from lab.backends import service_http as http
from lab.backends.compose.download_runs import UI_PORT, download, keep, local_url
from lab.backends.compose.project import Compose
from lab.backends.compose.up import PUBLISHED, shell_of_up
from lab.backends.locust_run import Headless, Outcome
from lab.backends.ports import check_free
from lab.backends.precedence import Settings, Variables, without_empty
from lab.backends.preflight import Check, check_all, service_checks
from lab.backends.processes.backend import HEADLESS, read_document
from lab.backends.processes.supervisor import Applied
from lab.backends.service_spec import Wires, port_numbers
from lab.backends.services import PROXY_PORT
from lab.backends.variables import LOAD_PREFIXES
from lab.backends.workspace import Workspace
from lab.run_document import RunDocument

_COMPOSE_DECIDES = ("LOCUST_WEB_HOST", "LOCUST_WEB_PORT", "LAB_RUNS_DIR")
"""What the user moves on this machine only; in the container it is fixed."""

_ALONE = {"LOCUST_MODE_MASTER": ""}
"""The workers of the UI's master do not know this container: it makes its load itself."""


class ComposeStack:
    """The services of the Compose project. `own` ones are started for this run and end with it."""

    mode = "docker"
    watched = False

    def __init__(self, workspace: Workspace, own: bool) -> None:
        self._workspace = workspace
        self._own = own
        self._one_off = ""
        self._compose = Compose(workspace.clone.root, workspace.baseline())

    async def baseline_shell(self) -> Variables:
        """Return the variables of the shell in which `up --docker` ran."""
        return shell_of_up(self._workspace.clone)

    async def apply(self, settings: Settings) -> Applied:
        """Check here, then let Compose recreate what differs."""
        await self._check(settings)
        self._compose = Compose(self._workspace.clone.root, settings.services)
        if self._own:
            check_free(PUBLISHED[:1], settings.services)
        before = {container.service: container.id for container in await self._compose.containers()}
        # By name: a run has its own Locust, so the one with the UI keeps its page whatever this run changes.
        services = [spec.name for spec in self._workspace.under_load]
        stale = [] if self._own else [name for name in await self._changed_over_http() if name in services]
        if stale:
            await self._compose.restart(stale)
        await self._compose.up(services, build=self._own, on_line=lambda _line: None)
        after = {container.service: container.id for container in await self._compose.containers()}
        new = sorted(name for name, identity in after.items() if before.get(name) != identity)
        restarted = sorted({*(name for name in new if name in before), *stale})
        return Applied([name for name in new if name not in before], restarted, [], stale)

    async def ui_url(self) -> str | None:
        """Return the URL of the Locust UI, if it is up."""
        address = await self._compose.published(self._workspace.load.name, UI_PORT)
        return local_url(address) if address else None

    async def headless(self, settings: Settings) -> Headless:
        """Return the one-off container of the run."""
        mine = {name: value for name, value in settings.load.items() if name.startswith(LOAD_PREFIXES)}
        passed = {name: value for name, value in without_empty(mine).items() if name not in _COMPOSE_DECIDES}
        self._one_off = f"sandbox-run-{secrets.token_hex(4)}"
        variables = {**_ALONE, **passed, **HEADLESS}
        argv = self._compose.run_argv(self._workspace.load.name, variables, "--name", self._one_off)
        interrupt = ("docker", "kill", "--signal", "INT", self._one_off)
        return Headless(argv, self._compose.environment, interrupt)

    async def fetch(self, outcome: Outcome) -> RunDocument:
        """Copy the document into ./runs, over HTTP from the UI or else out of the volume."""
        url = await self.ui_url()
        content = await asyncio.to_thread(download, f"{url}/lab/runs/{outcome.run_id}.json") if url else None
        if content is None:
            content = await self._compose.cat(self._workspace.load.name, outcome.document or "")
        keep(self._workspace.clone.runs, str(outcome.run_id), content)
        return read_document(self._workspace.clone, outcome)

    async def waited_for(self) -> str:
        """Return which services Compose is waiting for; if it is the proxy alone, what that says of it."""
        healthy = {container.service for container in await self._compose.containers() if container.is_healthy}
        missing = [spec.name for spec in self._workspace.under_load if spec.name not in healthy]
        if missing not in ([], ["proxy"]):
            return f"waiting for {', '.join(missing)}"
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            status, body = await http.get(PROXY_PORT.url(self._workspace.baseline(), "/-/ready"))
            if status == 503:
                return f"waiting for proxy ({json.loads(body).get('because', 'it answers 503')})"
        return "waiting for proxy" if missing else "waiting for Docker Compose"

    async def is_up(self) -> bool:
        """Whether any service is left."""
        return bool(await self._compose.containers())

    async def close(self) -> None:
        """End the run's container, which outlives a Ctrl-C that came too early; the services, if they are our own."""
        if self._one_off:
            await self._compose.remove(self._one_off)
        if self._own:
            await self._compose.down()

    async def _changed_over_http(self) -> list[str]:
        """Return the services that were changed while they run, by `PUT /-/config` say: Compose cannot know that."""
        url = await self.ui_url()
        content = await asyncio.to_thread(download, f"{url}/lab/changed.json") if url else None
        with contextlib.suppress(ValueError):
            said = json.loads(content or b"{}")
            return [str(name) for name in said.get("services", [])]
        return []

    async def _check(self, settings: Settings) -> None:
        clone, load = self._workspace.clone, self._workspace.load
        wires = Wires(port_numbers(self._workspace.services, settings.services), clone.runs)
        checks = service_checks(self._workspace.under_load, settings.services, clone.runs)
        load_environment = {**load.environment(settings.load, wires), **HEADLESS}
        await check_all([*checks, Check(load.name, load.argv, load_environment)], clone.root)
