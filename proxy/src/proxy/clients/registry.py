"""The clients by name. A library is imported when its client is made: each costs memory and time at start."""

from collections.abc import Callable, Mapping
from typing import Final

from proxy.settings import Settings
from proxy.watch import PoolWatch

from .interface import Client


def _httpx(settings: Settings, watch: PoolWatch) -> Client:
    from .gated import OneByOneClient
    from .httpx_client import HttpxClient

    client = HttpxClient(settings, watch)
    return OneByOneClient(client, settings) if settings.queue == "gate" else client


def _httpx2(settings: Settings, watch: PoolWatch) -> Client:
    from .gated import ScopedClient
    from .httpx2_client import Httpx2Client

    client = Httpx2Client(settings, watch)
    return ScopedClient(client, settings) if settings.queue == "gate" else client


def _aiohttp(settings: Settings, watch: PoolWatch) -> Client:
    from .aiohttp_client import AiohttpClient
    from .gated import GatedClient

    client = AiohttpClient(settings, watch)
    return GatedClient(client, settings) if settings.queue == "gate" else client


def _pyreqwest(settings: Settings, watch: PoolWatch) -> Client:
    from .gated import KeepingClient
    from .pyreqwest_client import PyreqwestClient

    if settings.queue == "gate":
        return KeepingClient(PyreqwestClient(settings, watch, limited=False), settings)
    return PyreqwestClient(settings, watch)


CLIENTS: Final[Mapping[str, Callable[[Settings, PoolWatch], Client]]] = {
    "httpx": _httpx,
    "httpx2": _httpx2,
    "aiohttp": _aiohttp,
    "pyreqwest": _pyreqwest,
}
"""By the values of PROXY_CLIENT. With PROXY_QUEUE=gate each comes behind the gate, cancelled by its own rule."""


def build_client(settings: Settings, watch: PoolWatch) -> Client:
    """Return the client that PROXY_CLIENT names, with requests waiting where PROXY_QUEUE says. Needs a running loop."""
    return CLIENTS[settings.client](settings, watch)
