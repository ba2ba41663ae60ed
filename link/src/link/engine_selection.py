"""Selects the engine: a pure decision over what is requested and what the host supports."""

from dataclasses import dataclass
from typing import Literal

from link.settings import Settings
from service_kit.exits import UnavailableError

EngineName = Literal["off", "relay", "tun"]

NOT_OURS = "a plain process in the machine's own network namespace"


@dataclass(frozen=True)
class HostSupport:
    """What this process may do where it runs; a `no_` is the reason against something, or None."""

    own_namespace: bool
    """The network namespace is this process's own (a container's, or one made for it), not the machine's."""
    no_tun: str | None = None
    """Why packets cannot be taken through a TUN device."""
    no_forwarding: str | None = None
    """Why incoming packets cannot be routed through one."""
    no_redirect: str | None = None
    """Why connections to the upstream's port cannot be redirected to the relay."""


@dataclass(frozen=True)
class EngineChoice:
    """An engine and the reason in one clause; with `redirect` the upstream's own port leads to the relay."""

    engine: EngineName
    because: str
    redirect: bool = False


def choose(settings: Settings, host: HostSupport) -> EngineChoice:
    """Decide on the engine. Raises UnavailableError if the requested one is not available.

    1. off when asked for, or when auto finds nothing to emulate
    2. tun when asked for; never in the machine's own network namespace, whose interfaces and routes are not ours
    3. relay when asked for; in a namespace of the link's own it takes over the upstream's port
    4. auto: tun, or relay and why not tun
    """
    if settings.engine == "off":
        return EngineChoice("off", "NET_ENGINE=off")
    if settings.engine == "auto" and settings.conditions.nothing:
        return EngineChoice("off", "there is nothing to emulate")
    if settings.engine == "relay":
        return _relay(settings, host, "NET_ENGINE=relay")
    no_tun = _against_tun(settings, host)
    if settings.engine == "tun" and no_tun:
        raise UnavailableError(f"NET_ENGINE='tun': not available here: {no_tun}; allowed here: auto, relay, off")
    if settings.engine == "tun":
        return EngineChoice("tun", "NET_ENGINE=tun")
    if not no_tun:
        return EngineChoice("tun", "real packets in a network namespace of its own")
    return _relay(settings, host, f"no tun: {no_tun}")


def _against_tun(settings: Settings, host: HostSupport) -> str | None:
    if not host.own_namespace:
        return NOT_OURS
    if settings.conditions.up is not None and not host.no_tun:
        return host.no_forwarding
    return host.no_tun


def _relay(settings: Settings, host: HostSupport, because: str) -> EngineChoice:
    # Only in such a namespace is the upstream local; elsewhere its clients are given the relay's own port.
    if not host.own_namespace or settings.upstream_host not in {"127.0.0.1", "localhost"}:
        return EngineChoice("relay", because)
    if host.no_redirect is None:
        return EngineChoice("relay", because, redirect=True)
    reason = f"port {settings.upstream_port} cannot be redirected to the relay: {host.no_redirect}"
    if settings.engine == "auto":
        raise UnavailableError(
            f"NET_ENGINE='auto': {because}, and {reason}; allowed here: relay, with clients of NET_PORT"
        )
    return EngineChoice("relay", f"{because}; {reason}, so clients must use port {settings.port}")
