"""httpx as the seeds advise it: one shared pool with limits, streamed through.

The pool is the one that httpx.AsyncClient makes for itself, of httpcore.
"""

import importlib.util
import sys
from types import ModuleType
from typing import cast

import httpcore
import httpx

from proxy.settings import Settings
from proxy.watch import PoolWatch

from .core_client import CoreClient
from .httpcore_backend import WatchedBackend


class HttpxClient(CoreClient):
    """The shared client of one worker."""

    def __init__(self, settings: Settings, watch: PoolWatch) -> None:
        _spare_searching()
        super().__init__("httpx", httpcore, settings, watch)

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return {"httpx": httpx.__version__} | super().versions()


def _spare_searching() -> None:
    """Say once that sniffio is not there, if it is not.

    httpcore 1.0 tries to import it for every lock it makes, several times a request, and a failing import searches the
    whole path each time: up to half of a request's time. anyio has not brought it along since 4.12.
    """
    if importlib.util.find_spec("sniffio") is None:
        sys.modules.setdefault("sniffio", cast("ModuleType", None))  # importing it fails at once from here on


def watch_pool(transport: httpx.AsyncHTTPTransport, watch: PoolWatch) -> None:
    """Put the watch under the pool of a transport, for who uses httpx's own client.

    httpx has no parameter for httpcore's `network_backend`, so the pool that the transport has just made is given
    one before its first connection: the two private names here are all that is touched.
    """
    transport._pool._network_backend = WatchedBackend(watch)
