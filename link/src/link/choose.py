"""Chooses the engine: a pure decision over what is wished and what the surroundings give."""

from dataclasses import dataclass
from typing import Literal

from link.netem import cannot, needs_ifb
from link.settings import Settings

EngineName = Literal["off", "relay", "tun", "netem"]

NOT_OURS = "a plain process in the machine's own network namespace"


@dataclass(frozen=True)
class Surroundings:
    """What the place this process runs in allows; a `no_` is a reason in words or None."""

    own_namespace: bool
    """The network namespace is this process's own (a container's, or one made for it), not the machine's."""
    no_netem: str | None = None
    """Why the kernel cannot delay packets by itself."""
    no_ifb: str | None = None
    """Why it cannot do so with packets that arrive."""
    no_tun: str | None = None
    """Why packets cannot be taken through a TUN device."""
    no_forwarding: str | None = None
    """Why packets that arrive cannot be led through one."""
    no_redirect: str | None = None
    """Why connections to the upstream's port cannot be led to the relay."""


@dataclass(frozen=True)
class Choice:
    """An engine and why, in one clause; `redirect` when the relay stands unseen in front of the upstream's own port."""

    engine: EngineName
    because: str
    redirect: bool = False


class UnavailableError(Exception):
    """The wished engine cannot be had here; the message is the one line to print."""


def choose(settings: Settings, surroundings: Surroundings) -> Choice:
    """Decide on the engine.

    1. off when asked for, or when auto finds nothing to emulate
    2. netem or tun when asked for, if it can be had; never in the machine's own network namespace, whose interfaces and
       routes are not ours
    3. relay when asked for; in a namespace of the link's own it stands before the upstream's port unseen
    4. auto: the first that can be had of netem, tun and relay, and why not those before it
    """
    if settings.engine == "off":
        return Choice("off", "NET_ENGINE=off")
    if settings.engine == "auto" and settings.conditions.nothing:
        return Choice("off", "there is nothing to emulate")
    if settings.engine == "relay":
        return _relay(settings, surroundings, "NET_ENGINE=relay")
    no_netem, no_tun = _against_netem(settings, surroundings), _against_tun(settings, surroundings)
    if settings.engine == "netem":
        return _asked_for("netem", no_netem)
    if settings.engine == "tun":
        return _asked_for("tun", no_tun)
    if not no_netem:
        return Choice("netem", "the kernel's own, in a network namespace of its own")
    if not no_tun:
        return Choice("tun", f"real packets in a network namespace of its own; no netem: {no_netem}")
    if no_netem == no_tun:
        return _relay(settings, surroundings, f"no netem, no tun: {no_tun}")
    return _relay(settings, surroundings, f"no netem: {no_netem}; no tun: {no_tun}")


def _asked_for(engine: EngineName, against: str | None) -> Choice:
    if against:
        others = ", ".join(name for name in ("auto", "netem", "tun", "relay", "off") if name != engine)
        raise UnavailableError(f"NET_ENGINE='{engine}': cannot be had here: {against}; allowed here: {others}")
    return Choice(engine, f"NET_ENGINE={engine}")


def _against_netem(settings: Settings, surroundings: Surroundings) -> str | None:
    if not surroundings.own_namespace:
        return NOT_OURS
    if unable := cannot(settings.conditions):
        return f"it has no {' and no '.join(unable)}"
    if needs_ifb(settings.conditions) and not surroundings.no_netem:
        return surroundings.no_ifb
    return surroundings.no_netem


def _against_tun(settings: Settings, surroundings: Surroundings) -> str | None:
    if not surroundings.own_namespace:
        return NOT_OURS
    if settings.conditions.up is not None and not surroundings.no_tun:
        return surroundings.no_forwarding
    return surroundings.no_tun


def _relay(settings: Settings, surroundings: Surroundings, because: str) -> Choice:
    # Only there does the upstream share the namespace; elsewhere its clients are told the relay's own port.
    if not surroundings.own_namespace or settings.upstream_host not in {"127.0.0.1", "localhost"}:
        return Choice("relay", because)
    if surroundings.no_redirect is None:
        return Choice("relay", because, redirect=True)
    reason = f"port {settings.upstream_port} cannot be led to the relay: {surroundings.no_redirect}"
    if settings.engine == "auto":
        raise UnavailableError(
            f"NET_ENGINE='auto': {because}, and {reason}; allowed here: relay, with clients of NET_PORT"
        )
    return Choice("relay", f"{because}; {reason}, so clients must come to port {settings.port}")
