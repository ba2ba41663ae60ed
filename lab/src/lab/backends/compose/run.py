"""Runs in Docker Compose, and the runs that its Locust UI has recorded."""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import replace

from lab.backends.compose.project import PUBLISHED, ComposeProject, tls_wiring
from lab.backends.compose.up import shell_of_up
from lab.backends.control_socket import Applied
from lab.backends.live_change import change_live
from lab.backends.locust_run import FinishedRun, LocustCommand
from lab.backends.locust_ui import LocustUi, save_document
from lab.backends.preflight import PassedChecks, check_free
from lab.backends.run_backend import HEADLESS, check_runs, read_document
from lab.backends.service_http import get, get_document, unready_reason
from lab.backends.services import PROXY, PROXY_PORT
from lab.backends.variables import LOAD_PREFIXES, RunVariables, Variables, without_empty
from lab.backends.workspace import Mode, Workspace
from lab.live_settings import LiveChange, differing, is_altered
from lab.run_document import RunDocument

_COMPOSE_DECIDES = ("LOCUST_WEB_HOST", "LOCUST_WEB_PORT", "LAB_RUNS_DIR")
"""What the user moves on this machine only; in the container it is fixed."""

_ALONE = {"LOCUST_MODE_MASTER": ""}
"""The workers of the UI's master do not know this container: it makes its load itself."""


class ComposeRun:
    """Runs on the services of the Compose project. `own` ones are started for this run and end with it."""

    mode: Mode = "docker"
    watched = False

    def __init__(self, workspace: Workspace, own: bool) -> None:
        self._workspace = workspace
        self._own = own
        self._built = not own
        self._passed = PassedChecks()
        self._one_off = ""
        self._applied: Variables | None = None
        self._made_with: Variables = {}
        self._live_change: LiveChange | None = None
        self._project = ComposeProject(workspace.checkout.root, workspace.baseline())

    async def shell_of_up(self) -> Variables:
        return shell_of_up(self._workspace.checkout)

    async def check(self, runs: Sequence[RunVariables]) -> None:
        await check_runs(self._workspace, runs, self._passed)

    async def apply(self, variables: RunVariables) -> Applied:
        """Check here, then change the proxy while it runs, if it can be, and let Compose recreate what else differs."""
        await self.check([variables])
        services = variables.services
        changed = await self._changed_live(services)
        if changed is None:
            return await self._recreated(services)
        others = _other_than_proxy(services) | _of_proxy(self._made_with)  # for Compose the proxy is as it was made
        if differing(self._made_with, others):
            live = self._live_change
            applied = await self._recreated(others, keeping=PROXY.name)
            self._applied, self._live_change = services, live
            return replace(applied, changed=changed)
        self._applied = services
        return Applied(changed=changed)

    async def _recreated(self, services: Variables, keeping: str | None = None) -> Applied:
        """Let Compose recreate what differs, but a service that was changed while it ran and is to stay so."""
        self._project = ComposeProject(self._workspace.checkout.root, services)
        check_free(PUBLISHED[:1], services, ours=await self._project.published_ports())
        before = {container.service: container.id for container in await self._project.containers()}
        # By name: a run has its own Locust, so the one with the UI keeps its page whatever this run changes.
        names = [spec.name for spec in self._workspace.under_load]
        over_http = await self._changed_over_http() - {keeping}
        altered = [name for name in names if name in over_http]
        self._applied = self._live_change = None
        if altered:
            await self._project.restart(altered)
        await self._project.up(names, build=not self._built)
        self._built, self._applied, self._made_with = True, services, services
        after = {container.service: container.id for container in await self._project.containers()}
        new = sorted(name for name, identity in after.items() if before.get(name) != identity)
        restarted = sorted({*(name for name in new if name in before), *altered})
        return Applied([name for name in new if name not in before], restarted, altered=altered)

    async def _changed_live(self, services: Variables) -> list[str] | None:
        """Change the proxy's settings that differ from the last ones of this session while it runs.

        None where that cannot be. Its container keeps the environment that it has: for the next session it is altered.
        """
        if self._applied is None or tls_wiring(self._applied) != tls_wiring(services):
            return None
        changes = differing(_of_proxy(self._applied), _of_proxy(services))
        healthy = {container.service for container in await self._project.containers() if container.is_healthy}
        url = PROXY.config_url(services)
        config = await get_document(url, PROXY.config)
        altered = config is None or is_altered(config, self._live_change)
        others = await self._changed_over_http() - {PROXY.name}
        if altered or others or not healthy >= {spec.name for spec in self._workspace.under_load}:
            return None
        if not changes:
            return []
        change = await change_live(PROXY, url, changes)
        if change is None:
            return None
        self._live_change = change
        return [PROXY.name]

    async def ui_url(self) -> str | None:
        return await self._project.url(self._workspace.load.name)

    async def locust_command(self, variables: RunVariables) -> LocustCommand:
        mine = {name: value for name, value in variables.load.items() if name.startswith(LOAD_PREFIXES)}
        passed = {name: value for name, value in without_empty(mine).items() if name not in _COMPOSE_DECIDES}
        self._one_off = f"sandbox-run-{secrets.token_hex(4)}"
        settings = {**_ALONE, **passed, **HEADLESS}
        argv = self._project.run_argv(self._workspace.load.name, settings, "--name", self._one_off)
        interrupt = ("docker", "kill", "--signal", "INT", self._one_off)
        return LocustCommand(argv, self._project.environment, interrupt)

    async def fetch(self, finished: FinishedRun) -> RunDocument:
        """Copy the document into ./runs, over HTTP from the UI or else out of the volume."""
        url = await self.ui_url()
        content = await LocustUi(url).run_document(finished.run_id) if url else None
        if content is None:
            content = await self._project.cat(self._workspace.load.name, finished.document)
        save_document(self._workspace.checkout.runs, finished.run_id, content)
        return read_document(self._workspace, finished.run_id)

    async def waiting_for(self) -> str:
        """Return which services Compose is waiting for; if it is the proxy alone, why it is not ready."""
        healthy = {container.service for container in await self._project.containers() if container.is_healthy}
        missing = [spec.name for spec in self._workspace.under_load if spec.name not in healthy]
        if missing not in ([], ["proxy"]):
            return f"waiting for {', '.join(missing)}"
        with contextlib.suppress(OSError):
            status, body = await get(PROXY_PORT.url(self._workspace.baseline(), "/-/ready"))
            if status == 503:
                return f"waiting for proxy ({unready_reason(body) or 'it answers 503'})"
        return "waiting for proxy" if missing else "waiting for Docker Compose"

    async def is_up(self) -> bool:
        return bool(await self._project.containers())

    async def close(self) -> None:
        """End the run's container, which outlives a Ctrl-C that came too early; the services, if they are our own."""
        if self._one_off:
            await self._project.remove(self._one_off)
        if self._own:
            await self._project.down()

    async def _changed_over_http(self) -> set[str]:
        """Return the services that were changed while they ran, as by `PUT /-/config`: Compose cannot know that."""
        url = None if self._own else await self.ui_url()
        ours = set() if self._live_change is None else {PROXY.name}
        return ours | set(await LocustUi(url).changed_services() if url else ())


def _of_proxy(variables: Variables) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(PROXY.prefixes)}


def _other_than_proxy(variables: Variables) -> dict[str, str]:
    return {name: value for name, value in variables.items() if not name.startswith(PROXY.prefixes)}


async def copy_new_runs(workspace: Workspace) -> None:
    """Copy the runs that the Locust UI in Docker has and ./runs has not. Nothing to do for processes."""
    if await workspace.supervisor.is_up():
        return
    project = ComposeProject(workspace.checkout.root, workspace.baseline())
    url = await project.url(workspace.load.name)
    if url:
        await LocustUi(url).copy_new_runs(workspace.checkout.runs)
