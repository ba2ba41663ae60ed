"""Chooses the engine: a pure decision over what is wished and what the surroundings give."""

from dataclasses import dataclass
from typing import Literal

from link.settings import Settings

EngineName = Literal["off", "relay", "tun"]

NOT_OURS = "a plain process in the machine's own network namespace"


@dataclass(frozen=True)
class HostSupport:
    """What the place this process runs in allows; a `no_` is a reason in words or None."""

    own_namespace: bool
    """The network namespace is this process's own (a container's, or one made for it), not the machine's."""
    no_tun: str | None = None
    """Why packets cannot be taken through a TUN device."""
    no_forwarding: str | None = None
    """Why packets that arrive cannot be led through one."""
    no_redirect: str | None = None
    """Why connections to the upstream's port cannot be led to the relay."""


@dataclass(frozen=True)
class EngineChoice:
    """An engine and why, in one clause; `redirect` when the relay stands unseen in front of the upstream's own port."""

    engine: EngineName
    because: str
    redirect: bool = False


class UnavailableError(Exception):
    """The wished engine cannot be had here; the message is the one line to print."""


def choose(settings: Settings, host: HostSupport) -> EngineChoice:
    """Decide on the engine.

    1. off when asked for, or when auto finds nothing to emulate
    2. tun when asked for, if it can be had; never in the machine's own network namespace, whose interfaces and routes
       are not ours
    3. relay when asked for; in a namespace of the link's own it stands before the upstream's port unseen
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
    # Only there does the upstream share the namespace; elsewhere its clients are told the relay's own port.
    if not host.own_namespace or settings.upstream_host not in {"127.0.0.1", "localhost"}:
        return EngineChoice("relay", because)
    if host.no_redirect is None:
        return EngineChoice("relay", because, redirect=True)
    reason = f"port {settings.upstream_port} cannot be led to the relay: {host.no_redirect}"
    if settings.engine == "auto":
        raise UnavailableError(
            f"NET_ENGINE='auto': {because}, and {reason}; allowed here: relay, with clients of NET_PORT"
        )
    return EngineChoice("relay", f"{because}; {reason}, so clients must come to port {settings.port}")
