"""Options of one request that override the environment: `?latency=constant(5ms)`, `x-upstream-bytes: 9`.

A request may give each of the names in `_READERS` in its query or, where the query has none, as a header
`x-upstream-<name>` with hyphens. Other names in a query are ignored.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, get_args
from urllib.parse import parse_qsl

from service_kit.duration import parse_duration
from upstream_mock.asgi import OPTIONS_KEY, Scope
from upstream_mock.latency.distribution import OWN_LONGEST_SECONDS, Distribution
from upstream_mock.latency.parse import parse_latency
from upstream_mock.payload import (
    MAX_CHUNKS,
    Content,
    Encoding,
    Framing,
    Payload,
    crowded_events,
    misframed_trailers,
)
from upstream_mock.work_response import WorkResponse

MAX_BYTES = 10 * 1024 * 1024
MAX_GAP_MS = 10_000
MAX_GAPS_SECONDS = 60.0

KEPT = 64
KEPT_KEY_BYTES = 1000
"""So many responses are kept, each for at most so many bytes of options. The largest, gzip in 10,000 chunks, takes half
a MiB."""


class BadOverrideError(Exception):
    """An option is wrong; the message is one line for the client."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request gets. None: what the environment sets."""

    response: WorkResponse
    latency: Distribution | None = None
    status: int | None = None


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"not a whole number from {low} to {high}")
        return int(text)

    return read


def _word(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"not one of {', '.join(words)}")
        return text

    return read


def _latency(text: str) -> Distribution:
    distribution = parse_latency(text, by_request=True)
    if distribution.quantile(0.99) > OWN_LONGEST_SECONDS:
        raise ValueError(f"longer than {OWN_LONGEST_SECONDS:g}s at its 99th percentile")
    return distribution


def _gap(text: str) -> float:
    try:
        milliseconds = parse_duration(f"{text}ms") * 1e3
    except ValueError:
        milliseconds = MAX_GAP_MS + 1
    if milliseconds > MAX_GAP_MS:
        raise ValueError(f"not a number from 0 to {MAX_GAP_MS}")
    return milliseconds / 1e3


_READERS: dict[str, Callable[[str], Any]] = {
    "latency": _latency,
    "status": _whole(200, 599),
    "bytes": _whole(0, MAX_BYTES),
    "chunks": _whole(1, MAX_CHUNKS),
    "chunk_gap_ms": _gap,
    "encoding": _word(*get_args(Encoding)),
    "framing": _word(*get_args(Framing)),
    "trailers": lambda text: _word("true", "false")(text) == "true",
    "content": _word(*get_args(Content)),
}
_FIELDS = {"bytes": "length", "chunk_gap_ms": "gap_seconds"}
HEADERS = {f"x-upstream-{name.replace('_', '-')}".encode(): name for name in _READERS}


class Overrides:
    """Plans of requests with options, the newest of them cached."""

    def __init__(self, payload: Payload, default: WorkResponse) -> None:
        self._payload = payload
        self._default = Plan(default)
        self._plans: dict[tuple[object, ...], Plan] = {}

    def plan(self, scope: Scope) -> Plan:
        """What this request gets. Raises BadOverrideError."""
        query: bytes = scope["query_string"]
        given = [(HEADERS[name], value) for name, value in scope.get(OPTIONS_KEY, ()) if name in HEADERS]
        key = (query, *given)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._make(_options(query, given))
            if len(query) + sum(len(value) for _, value in given) <= KEPT_KEY_BYTES:
                if len(self._plans) >= KEPT:
                    del self._plans[next(iter(self._plans))]  # a dict keeps its order: the oldest is the first
                self._plans[key] = plan
        return plan

    def _make(self, options: dict[str, str]) -> Plan:
        if not options:
            return self._default
        read = {name: _read(name, text) for name, text in options.items()}
        latency, status = read.pop("latency", None), read.pop("status", None)
        if not read:
            return Plan(self._default.response, latency, status)
        payload = replace(self._payload, **{_FIELDS.get(name, name): value for name, value in read.items()})
        if wrong := _contradiction(payload) or (
            _endless(payload) if {"chunks", "chunk_gap_ms"} & read.keys() else None
        ):
            raise BadOverrideError(wrong)
        return Plan(WorkResponse(payload), latency, status)


def _options(query: bytes, given: list[tuple[str, bytes]]) -> dict[str, str]:
    options: dict[str, str] = {}
    for pairs in (parse_qsl(query.decode("latin-1"), keep_blank_values=True), given):
        here: dict[str, str] = {}
        for name, value in pairs:
            if name in here:
                raise BadOverrideError(f"{name}: given twice")
            if name in _READERS:
                here[name] = value.decode("latin-1") if isinstance(value, bytes) else value
        options = here | options
    return options


def _read(name: str, text: str) -> Any:
    try:
        return _READERS[name](text)
    except ValueError as error:
        shown = text if len(text) <= 100 else f"{text[:100]}..."
        raise BadOverrideError(f"{name}={shown!r}: {error}") from None


def _contradiction(payload: Payload) -> str | None:
    if wrong := misframed_trailers(payload.trailers, payload.framing):
        return f"trailers='true': {wrong}"
    if wrong := crowded_events(payload.content, payload.length, payload.chunks):
        return f"content='sse': {wrong}"
    return None


def _endless(payload: Payload) -> str | None:
    if (payload.chunks - 1) * payload.gap_seconds > MAX_GAPS_SECONDS:
        return f"chunk_gap_ms='{payload.gap_seconds * 1e3:g}': the gaps are longer than {MAX_GAPS_SECONDS:g}s together"
    return None
