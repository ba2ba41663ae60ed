"""The clients by name. A library is imported when its client is made: each costs memory and time at start."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from poolwatch.monitor import Monitor
from proxy.settings import Settings

from .interface import Client
from .queueing import GatedClient, KeepingClient, OneByOneClient, ScopedClient


def _httpx(settings: Settings, watch: Monitor) -> Client:
    from .httpx_client import HttpxClient

    return HttpxClient(settings, watch)


def _httpx2(settings: Settings, watch: Monitor) -> Client:
    from .httpx_client import httpx2_client

    return httpx2_client(settings, watch)


def _httpcore(settings: Settings, watch: Monitor) -> Client:
    from .httpcore_client import HttpcoreClient

    return HttpcoreClient(settings, watch)


def _aiohttp(settings: Settings, watch: Monitor) -> Client:
    from .aiohttp_client import AiohttpClient

    return AiohttpClient(settings, watch)


def _pyreqwest(settings: Settings, watch: Monitor) -> Client:
    from .pyreqwest_client import PyreqwestClient

    return PyreqwestClient(settings, watch, limited=settings.queue == "client")


CLIENTS: Final[Mapping[str, tuple[Callable[[Settings, Monitor], Client], Callable[[Any, Settings], Client]]]] = {
    "httpx": (_httpx, OneByOneClient),
    "httpx2": (_httpx2, ScopedClient),
    "httpcore": (_httpcore, OneByOneClient),
    "aiohttp": (_aiohttp, GatedClient),
    "pyreqwest": (_pyreqwest, KeepingClient),
}
"""By the values of PROXY_CLIENT: what makes it, and the gate before it with PROXY_QUEUE=gate, by its own rule."""


def build_client(settings: Settings, watch: Monitor) -> Client:
    """Return the client that PROXY_CLIENT names, with requests waiting where PROXY_QUEUE says. Needs a running loop."""
    build, gate = CLIENTS[settings.client]
    client = build(settings, watch)
    return gate(client, settings) if settings.queue == "gate" else client
