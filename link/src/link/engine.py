"""The interface of the engines, the one that does nothing, and building the chosen one."""

import socket
from typing import Any, Protocol

from link import namespace
from link.engine_selection import EngineChoice, HostSupport
from link.model import Conditions
from link.privileges import missing, own_capabilities
from link.relay import Relay
from link.self_test import SelfTest
from link.settings import Settings
from link.tun import Tun
from service_kit.histogram import LogHistogram


class Engine(Protocol):
    """Carries what passes between proxy and upstream, as the link model decides."""

    @property
    def lateness(self) -> LogHistogram:
        """How late things left."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def measure(self) -> SelfTest | None:
        """Time real sockets through the engine; None if nothing is emulated. Raises TimeoutError or OSError."""

    def refuses(self, conditions: Conditions) -> tuple[str, str] | None:
        """Return a field of the settings and why these conditions need a restart; None if they do not."""

    def change(self, conditions: Conditions, since: float) -> None:
        """Emulate these conditions from now on, for open connections too; a partition counts from `since`.

        Call it only after `refuses` has returned None for them.
        """

    def caveats(self, conditions: Conditions) -> list[str]:
        """Return a sentence for each thing that is emulated differently from a real network."""

    def stats(self) -> dict[str, Any]:
        """Return the counters of `/-/stats`."""


class NullEngine:
    """Emulates nothing: the proxy's connections go to the upstream directly."""

    def __init__(self) -> None:
        self.lateness = LogHistogram()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def measure(self) -> None:
        pass

    def refuses(self, conditions: Conditions) -> tuple[str, str] | None:  # noqa: ARG002 - part of Engine
        """Refuse all conditions: another engine would need privileges that this process has dropped."""
        return "engine", (
            "no engine runs between the proxy and its upstream; start the link with NET_ENGINE=tun (in Compose) or "
            "NET_ENGINE=relay, which may have nothing to emulate yet"
        )

    def change(self, conditions: Conditions, since: float) -> None:
        pass

    def caveats(self, conditions: Conditions) -> list[str]:  # noqa: ARG002 - part of Engine
        return []

    def stats(self) -> dict[str, Any]:
        return {}


def build(settings: Settings, host: HostSupport, choice: EngineChoice, listener: socket.socket | None) -> Engine:
    """Set up the chosen engine, which may need privileges: they can be dropped afterwards.

    What an earlier link left in a namespace of its own is removed first, so this can be repeated. Raises OSError or
    SetUpError where the kernel refuses.
    """
    if host.own_namespace and not missing(own_capabilities()):
        namespace.clear(settings.upstream_port, settings.port)
    if choice.engine == "tun":
        no_forwarding = host.no_forwarding
        return Tun(settings.conditions, settings.upstream_port, seed=settings.seed, no_forwarding=no_forwarding)
    if choice.engine == "relay" and listener:
        if choice.redirect:
            namespace.redirect_to_relay(settings.upstream_port, settings.port)
        upstream = (settings.upstream_host, settings.upstream_port)
        return Relay(settings.conditions, listener, upstream, seed=settings.seed, redirected=choice.redirect)
    return NullEngine()
