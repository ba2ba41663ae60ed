"""What the proxy's own paths answer from: health, settings in force, the pool from inside, metrics, the ledger."""

import asyncio
import os
import platform
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fastapi
import uvicorn

from poolwatch import ledger_reader, worker_totals
from poolwatch.counters import Cell
from poolwatch.ledger import TICK_SECONDS
from poolwatch.network import Origin
from poolwatch.pool_report import PoolLimits, pool_document
from poolwatch.worker_metrics import worker_metrics
from poolwatch.worker_slots import SlotsFile, merged, slots
from proxy import sniffio_import
from proxy.clients.exhaustion import exhausted
from proxy.clients.lost_slots import Loss
from proxy.errors import CODES, ProxyError
from proxy.forward.context import ForwardContext
from proxy.pattern_runtime.apps import PatternApps
from proxy.reconfigure import CHANGEABLE
from proxy.sampler import Sampler
from proxy.settings import ServerSettings, Settings, derived, in_force
from proxy.tuning import in_force as in_force_tuning
from service_kit.process_figures import figures
from service_kit.settings_change import ChangeRefused, changeable_document, changed, started_with

READY_WITHIN_SECONDS = 1.0
OFFERED = changeable_document(Settings, CHANGEABLE)


class Admin:
    """The proxy from inside. One for each worker; its figures are those of all workers."""

    def __init__(
        self,
        settings: Settings,
        server: ServerSettings,
        state_dir: Path,
        forwarding: ForwardContext,
        pattern_apps: PatternApps,
        sampler: Sampler,
        notices: SlotsFile | None,
    ) -> None:
        self._settings = self._started_with = settings
        self._server = server
        self._state_dir = state_dir
        self._forwarding = forwarding
        self._client = forwarding.client
        self._pattern_apps = pattern_apps
        self._changes = 0
        self._sampler = sampler
        self._notices = notices

    def config(self) -> dict[str, Any]:
        """Return the settings in force, what of them the client cannot honour, and the versions at work.

        `changed`: it is not as it was started, by its settings or by connections that were lost. `revision` is another
        number after each of these. `fixed_because`: why PUT changes nothing of it.
        """
        client, totals = self._client.client, self._totals()
        lost = int(totals[Cell.LEAKED] + totals[Cell.LOST])
        versions = {"python": platform.python_version(), "fastapi": fastapi.__version__} | client.versions()
        return {
            "service": "proxy",
            "settings": in_force(self._settings, self._server),
            "derived": derived(self._settings, self._server),
            "changed": self._settings != self._started_with or lost > 0,
            "revision": self._changes + lost,
            "started_with": started_with(self._started_with, self._settings),
            "changeable": OFFERED,
            "fixed_because": None if self._fixed is None else str(self._fixed),
            "unsupported": client.unsupported(),
            "tuning": in_force_tuning(self._settings),
            "python": sniffio_import.found(),
            "versions": versions | {"uvicorn": uvicorn.__version__},
            "pool": {
                "workers": self._server.workers,
                "max_connections_per_worker": self._settings.max_connections,
                "max_connections": self._server.workers * self._settings.max_connections,
            },
        }

    def change(self, body: bytes) -> dict[str, Any]:
        """Change the pool's limits and time-outs while it runs; return the settings now in force.

        Raises ChangeRefused.

        Requests in flight stay with the client they have; `draining` says how many they are.
        """
        if self._fixed is not None:
            raise self._fixed
        settings, _ = changed(self._settings, body, CHANGEABLE, fixed_models=[ServerSettings])
        if settings.tuned != self._settings.tuned:
            raise ChangeRefused(
                f"PROXY_CLIENT='{settings.client}': the tuning of a process is fixed when it starts, this needs a "
                "restart; allowed: a client with the same tuning, or PROXY_TUNING set from the start",
                409,
            )
        self._pattern_apps.change(settings)
        self._client.replace(settings)
        self._settings = settings
        self._changes += 1
        self._forwarding.total_timeout_seconds = settings.total_timeout_seconds
        return self.config() | {"draining": self._client.draining}

    @property
    def _fixed(self) -> ChangeRefused | None:
        if not self._settings.admin:
            return ChangeRefused("PROXY_ADMIN='false': the proxy takes no changes; allowed: true, and a restart", 403)
        if self._server.workers > 1:
            return ChangeRefused(f"UVICORN_WORKERS='{self._server.workers}': each has its own pool; allowed: 1", 409)
        return None

    async def pool(self) -> dict[str, Any]:
        """Return the pool of all workers together."""
        await self._others_entered()
        parts = [slots(self._forwarding.watch, self._client.client.connections())]
        if self._notices is not None:
            parts += self._notices.of_others()
        document = pool_document(self._totals(), self._limits, connections_known=self._connections_known)
        document["process"] |= figures()
        return document | merged(parts)

    @property
    def _limits(self) -> PoolLimits:
        workers = self._server.workers
        settings = self._settings
        return PoolLimits(workers, workers * settings.max_connections, workers * settings.keepalive_connections)

    @property
    def _upstream(self) -> Origin:
        url = urlsplit(self._settings.upstream_url)
        return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)

    async def metrics(self) -> str:
        """Return the metrics in Prometheus' text format."""
        await self._others_entered()
        known = self._connections_known
        return worker_metrics(
            self._totals(), self._limits, self._upstream, ledger=self._settings.ledger, connections_known=known
        )

    async def ledger(self, since: str | None, limit: int) -> bytes | None:
        """Return a page of finished requests as JSON, None if none are kept. Raises ledger_reader.BadCursor."""
        if not self._settings.ledger:
            return None
        await self._others_entered()
        self._forwarding.watch.flush()
        # in a thread: a page of a thousand takes some 20 ms, and requests go on meanwhile
        return await asyncio.to_thread(ledger_reader.page_json, self._state_dir, since, limit, CODES)

    def loss(self) -> Loss | None:
        """Return the slots that this worker's pool has lost, None if there are none."""
        return self._client.client.loss()

    async def upstream_fails_because(self) -> str | None:
        """Return why the upstream takes no connection, or None if it does."""
        try:
            async with asyncio.timeout(READY_WITHIN_SECONDS):
                _, writer = await asyncio.open_connection(*self._upstream)
        except TimeoutError:
            return f"the upstream did not take a connection within {READY_WITHIN_SECONDS:g} s"
        except OSError as error:
            if (lacking := exhausted(error)) is not None:
                return ProxyError(lacking).explanation
            if isinstance(error, socket.gaierror):
                return "the upstream's name could not be resolved"
            return f"the upstream took no connection: {os.strerror(error.errno) if error.errno else 'unknown error'}"
        writer.close()
        return None

    @property
    def _connections_known(self) -> bool:
        return self._client.client.connections() is not None

    async def _others_entered(self) -> None:
        """Wait until the other workers have entered every request that has ended by now."""
        if self._server.workers > 1:
            await asyncio.sleep(2 * TICK_SECONDS)

    def _totals(self) -> worker_totals.Totals:
        self._sampler.sample()
        return worker_totals.read(self._state_dir, CODES)
