"""What every engine offers, and building the chosen one."""

import socket
from typing import Any, Protocol

from link import namespace
from link.engine_selection import EngineChoice, HostSupport
from link.lateness import Lateness
from link.model import Conditions
from link.privileges import missing, own_capabilities
from link.relay import Relay
from link.self_test import SelfTest
from link.settings import Settings
from link.tun import Tun


class Engine(Protocol):
    """Moves what passes between proxy and upstream as the link model decides."""

    @property
    def lateness(self) -> Lateness:
        """How late things left."""

    async def start(self) -> None:
        """Begin to move."""

    async def stop(self) -> None:
        """Cease, and give back what is open."""

    async def measure(self) -> SelfTest | None:
        """Time real sockets through the engine; None if there is no engine. Raises TimeoutError or OSError."""

    def refuses(self, conditions: Conditions) -> tuple[str, str] | None:
        """Return why these conditions cannot be had without a new start: a field of the settings and a sentence."""

    def change(self, conditions: Conditions, since: float) -> None:
        """Emulate these conditions from now on, on open connections too; a partition counts its seconds from `since`.

        Only after `refuses` has returned None for them.
        """

    def limits(self, conditions: Conditions) -> list[str]:
        """Return what of these conditions is emulated otherwise than real, a sentence each."""

    def stats(self) -> dict[str, Any]:
        """Return the counters."""


class NullEngine:
    """Does nothing, and costs nothing."""

    def __init__(self) -> None:
        self.lateness = Lateness()

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def measure(self) -> None:
        """Nothing to measure."""

    def refuses(self, conditions: Conditions) -> tuple[str, str] | None:  # noqa: ARG002 - an Engine is told them
        """Return that there is nothing that could emulate anything: an engine needs privileges this process gave up."""
        return "engine", (
            "no engine stands between the proxy and its upstream; start the link with NET_ENGINE=tun (in Compose) or "
            "NET_ENGINE=relay, which may have nothing to emulate yet"
        )

    def change(self, conditions: Conditions, since: float) -> None:
        """Nothing to change."""

    def limits(self, conditions: Conditions) -> list[str]:  # noqa: ARG002 - an Engine is told them
        """Nothing to say."""
        return []

    def stats(self) -> dict[str, Any]:
        """Nothing passes here."""
        return {}


def build(settings: Settings, host: HostSupport, choice: EngineChoice, listener: socket.socket | None) -> Engine:
    """Set up the chosen engine, which may need privileges: they can be dropped afterwards.

    What an earlier link left in a namespace of its own is removed first, so that this can be repeated at will.
    Raises OSError or SetUpError where the kernel refuses.
    """
    if host.own_namespace and not missing(own_capabilities()):
        namespace.clear(settings.upstream_port, settings.port)
    if choice.engine == "tun":
        no_forwarding = host.no_forwarding
        return Tun(settings.conditions, settings.upstream_port, seed=settings.seed, no_forwarding=no_forwarding)
    if choice.engine == "relay" and listener:
        if choice.redirect:
            namespace.lead_to_relay(settings.upstream_port, settings.port)
        upstream = (settings.upstream_host, settings.upstream_port)
        return Relay(settings.conditions, listener, upstream, seed=settings.seed, unseen=choice.redirect)
    return NullEngine()
