"""The clients by name. A library is imported when its client is made: each costs memory and time at start."""

from collections.abc import Callable, Mapping
from typing import Final

from poolwatch.monitor import Monitor
from proxy.settings import Settings

from .interface import Client


def _httpx(settings: Settings, watch: Monitor) -> Client:
    from .httpx_client import HttpxClient
    from .queueing import OneByOneClient

    client = HttpxClient(settings, watch)
    return OneByOneClient(client, settings) if settings.queue == "gate" else client


def _httpx2(settings: Settings, watch: Monitor) -> Client:
    from .httpx_client import httpx2_client
    from .queueing import ScopedClient

    client = httpx2_client(settings, watch)
    return ScopedClient(client, settings) if settings.queue == "gate" else client


def _httpcore(settings: Settings, watch: Monitor) -> Client:
    from .httpcore_client import HttpcoreClient
    from .queueing import OneByOneClient

    client = HttpcoreClient(settings, watch)
    return OneByOneClient(client, settings) if settings.queue == "gate" else client


def _aiohttp(settings: Settings, watch: Monitor) -> Client:
    from .aiohttp_client import AiohttpClient
    from .queueing import GatedClient

    client = AiohttpClient(settings, watch)
    return GatedClient(client, settings) if settings.queue == "gate" else client


def _pyreqwest(settings: Settings, watch: Monitor) -> Client:
    from .pyreqwest_client import PyreqwestClient
    from .queueing import KeepingClient

    if settings.queue == "gate":
        return KeepingClient(PyreqwestClient(settings, watch, limited=False), settings)
    return PyreqwestClient(settings, watch)


CLIENTS: Final[Mapping[str, Callable[[Settings, Monitor], Client]]] = {
    "httpx": _httpx,
    "httpx2": _httpx2,
    "httpcore": _httpcore,
    "aiohttp": _aiohttp,
    "pyreqwest": _pyreqwest,
}
"""By the values of PROXY_CLIENT. With PROXY_QUEUE=gate each comes behind the gate, cancelled by its own rule."""


def build_client(settings: Settings, watch: Monitor) -> Client:
    """Return the client that PROXY_CLIENT names, with requests waiting where PROXY_QUEUE says. Needs a running loop."""
    return CLIENTS[settings.client](settings, watch)
