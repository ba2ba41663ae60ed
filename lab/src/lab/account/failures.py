"""The kinds of failures of a run, and whose they are. Pure.

Locust knows a failure by the code that the proxy or the upstream gave it, or by what broke. An answer that was cut
after its head has no code: the proxy knows what cut it, so its counts by code tell the two apart.
"""

import errno
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.account.places import Owner
from lab.document_part import DocumentPart


class FailureCount(DocumentPart):
    """Failures of one kind (see `failure_kind`): whose they are, and what that means."""

    kind: str
    count: int
    owner: Owner
    meaning: str


_OF_CODE: dict[str, tuple[Owner, str]] = {
    "pool_exhausted": ("proxy", "no connection of the pool became free within PROXY_POOL_TIMEOUT_SECONDS"),
    "overloaded": ("proxy", "as many requests waited as PROXY_MAX_WAITING allows"),
    "total_timeout": ("proxy", "the request took longer than PROXY_TOTAL_TIMEOUT_SECONDS"),
    "internal_error": ("proxy", "the proxy failed; its log has the reason"),
    "tuned": ("proxy", "a tuned proxy refuses calling patterns"),
    "server_overloaded": ("proxy", "uvicorn had as many connections as UVICORN_LIMIT_CONCURRENCY allows"),
    "proxy_descriptors": ("proxy", "it had no descriptor left for another connection or file"),
    "proxy_threads": ("proxy", "it could start no further thread"),
    "proxy_ports": ("proxy", "its machine had no local port, or no address, left for another connection"),
    "proxy_memory": ("proxy", "its machine had no memory left for it"),
    "caller_timeout": ("load", "the caller sent or read nothing for too long, or too slowly"),
    "upstream_goaway": ("client_library", "it gave requests up when the upstream ended its connection (GOAWAY)"),
    "upstream_connect_error": ("upstream", "it took no connection"),
    "upstream_closed": ("upstream", "it closed the connection before its answer was whole"),
    "upstream_reset": ("upstream", "it reset the connection"),
    "upstream_protocol_error": ("upstream", "its answer was not valid HTTP"),
    "upstream_read_timeout": ("upstream", "it sent nothing for PROXY_READ_TIMEOUT_SECONDS"),
    "upstream_dns_error": ("network", "the upstream's name could not be resolved"),
    "upstream_connect_timeout": ("network", "no connection was opened within PROXY_CONNECT_TIMEOUT_SECONDS"),
    "upstream_write_timeout": ("network", "the request was not taken within PROXY_WRITE_TIMEOUT_SECONDS"),
}
_THE_CALLERS: tuple[Owner, str] = ("load", "the request cannot be forwarded as it came")
_THE_UPSTREAMS: tuple[Owner, str] = ("upstream", "its own answer, passed on")
_NO_PROXY: tuple[Owner, str] = ("proxy", "it took no connection")
_CUT: tuple[Owner, str] = ("proxy", "it cut the connection, and counted no reason")
_GAVE_UP: tuple[Owner, str] = ("load", "the user waited no longer")
_LEFT: tuple[Owner, str] = ("load", "the caller left before its answer was whole")

_NOTICED = 0.05
"""Smaller parts of unanswered requests may be those that were being answered just then."""

_OF_LOCUST: dict[str, tuple[Owner, str]] = {
    "locust_descriptors": ("load", "Locust had no descriptor left for another connection"),
    "locust_ports": ("load", "Locust's machine had no local port left for another connection"),
}

_TIMED_OUT = ("TimeoutError", "timeout")
"""What Locust calls a time-out of its own."""

CALLER_LEFT = "caller left"
"""A kind that only the proxy counts: to Locust such a request is none."""

_BY_NETWORK: dict[str, tuple[str, str]] = {
    "upstream_reset": ("reset", "the network reset the connection"),
    "upstream_read_timeout": ("idle", "the network had forgotten the connection and dropped the answer"),
    "upstream_closed": ("idle", "the network had forgotten the connection"),
}
"""What the link may have done instead: the cause it counts, and the meaning."""


@dataclass(frozen=True)
class Causes:
    """What the services counted: the proxy's failed requests by code, and what the link did, by cause.

    `upstream`: in how many requests the upstream injected a fault. `left`: callers that left, and Locust did not count.
    `swallowed_share`: which part of the requests without an answer the network lost, or their answers.
    `no_descriptors`: the proxy had none left at some time; its server then closes a caller's connection as soon as it
    has accepted it. `overflows`: connections that found the upstream's backlog full.
    """

    by_code: Mapping[str, int] = field(default_factory=dict)
    network: Mapping[str, int] = field(default_factory=dict)
    upstream: int = 0
    left: int = 0
    swallowed_share: float = 0.0
    no_descriptors: bool = False
    overflows: int = 0


def failures(errors: Mapping[str, int], causes: Causes) -> list[FailureCount]:
    """Return Locust's errors with their owners, and the callers that left, most frequent first.

    A kind that has two owners is there twice.
    """
    found: list[FailureCount] = []
    answered = Counter[str]()
    for kind, count in errors.items():
        answered[_code(kind) or ""] += count
    cut = {code: count - answered[code] for code, count in causes.by_code.items()}
    for kind, count in errors.items():
        code = _code(kind)
        if code is not None:
            found += _by_owner(kind, count, code, causes)
        elif kind.partition(" ")[2].startswith("upstream"):
            found.append(_named(kind, count, *_THE_UPSTREAMS))
        elif kind in _OF_LOCUST:
            found.append(_named(kind, count, *_OF_LOCUST[kind]))
        elif kind == "ConnectionRefusedError":
            found.append(_named(kind, count, *_NO_PROXY))
        elif kind in _TIMED_OUT:
            found.append(_named(kind, count, *_GAVE_UP))
        else:
            found += _cut(kind, count, cut, causes)
    if causes.left > 0:
        found.append(_named(CALLER_LEFT, causes.left, *_LEFT))
    return sorted(found, key=lambda each: -each.count)


def _cut(kind: str, count: int, cut: dict[str, int], causes: Causes) -> list[FailureCount]:
    """Divide failures without a code among the codes that the proxy counted and could not answer with."""
    found = []
    for code in sorted(cut, key=lambda each: -cut[each]):
        taken = min(count, cut[code])
        if taken > 0:
            found += [
                part.model_copy(update={"meaning": f"{part.meaning}; the answer's head was out"})
                for part in _by_owner(f"{kind} after {code}", taken, code, causes)
            ]
            cut[code] -= taken
            count -= taken
    if count and causes.no_descriptors:
        found.append(_named(f"{kind} after proxy_descriptors", count, *_OF_CODE["proxy_descriptors"]))
    elif count:
        found.append(_named(kind, count, *_CUT))
    return found


def _by_owner(kind: str, count: int, code: str, causes: Causes) -> list[FailureCount]:
    """Divide failures with a code between the network and whoever else makes them."""
    owner = _OF_CODE.get(code, _THE_CALLERS)
    if code == "upstream_connect_timeout" and causes.overflows:
        return [_named(kind, count, "upstream", "its backlog was full, so it took no connection in time")]
    if code not in _BY_NETWORK:
        return [_named(kind, count, *owner)]
    cause, meaning = _BY_NETWORK[code]
    parted = causes.network.get("partition", 0)
    done = causes.network.get(cause, 0) + parted
    if 2 * parted > done:
        meaning = "nothing passed through the network at that time"
    part = done / (done + causes.upstream) if done else 0.0
    if code == "upstream_read_timeout" and causes.swallowed_share > max(part, _NOTICED):
        part, meaning = causes.swallowed_share, "the network lost the request or its answer"
    networks = round(count * part)
    both = [_named(kind, networks, "network", meaning), _named(kind, count - networks, *owner)]
    return [one for one in both if one.count]


def _named(kind: str, count: int, owner: Owner, meaning: str) -> FailureCount:
    return FailureCount(kind=kind, count=count, owner=owner, meaning=meaning)


def failure_kind(
    status: int, proxy_error: str | None, error: BaseException | None, upstream_error: str | None = None
) -> str | None:
    """Return the kind that a request's outcome is counted as, None for a success. Kinds are few: no ids, no numbers.

    1. An answer with an error status: `503 pool_exhausted` if the proxy made it itself, else `500 upstream`,
       with the upstream's own word if it gave one: `503 upstream queue_full`.
    2. No whole answer: the class of what broke, looked for below the client's own wrapper; of what Locust's own process
       or machine lacked, what that is.
    """
    if status >= 400:
        if proxy_error is None:
            return f"{status} upstream" + (f" {_word(upstream_error)}" if upstream_error is not None else "")
        return f"{status} {_word(proxy_error)}"
    if error is not None:
        cause = getattr(error, "original", None) or error
        return _LOCUST_LACKS.get(getattr(cause, "errno", None) or 0, type(cause).__name__)
    return None if status else "no answer"


_LOCUST_LACKS = {
    errno.EMFILE: "locust_descriptors",
    errno.ENFILE: "locust_descriptors",
    errno.EADDRNOTAVAIL: "locust_ports",
}

_WORD = re.compile(r"[a-z0-9_]{1,40}")


def _word(header: str) -> str:
    return header if _WORD.fullmatch(header) else "unknown"


def _code(kind: str) -> str | None:
    """Return the proxy's code in a kind such as `503 pool_exhausted`; None for any other kind."""
    status, _, code = kind.partition(" ")
    return code if status.isdigit() and code and not code.startswith("upstream ") and code != "upstream" else None
