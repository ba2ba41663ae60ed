"""Which headers go on and which stay: pure rules from an ASGI scope to an upstream request, and from its answer back.

Sources: RFC 9110 sections 7.6.1 (hop-by-hop) and 7.6.3 (Via), RFC 9112 sections 3.2 (Host) and 6 (lengths). A message
whose length has two meanings is refused.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple

from proxy.asgi import Fields, Headers, header
from proxy.clients.interface import Outbound
from proxy.errors import ProxyError
from proxy.forward.request_checks import (
    absolute_host,
    check_expectation,
    is_websocket_handshake,
    request_framing,
)
from proxy.forward.request_target import AUTHORITY_KEY, normalised
from service_kit.request_head import HOST

ANSWER_HEAD_BYTES: Final = 65_536
"""Names and values of an answer; more is 502."""

RUN_HEADER: Final = b"x-sandbox-run"
"""Names the load test's run that a request belongs to; it goes on unchanged."""

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_FORWARDED: Final = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto"}
)
"""The proxy itself writes where a request came from; a caller's headers about it are dropped."""

_NEVER_NAMED: Final = _FORWARDED | {b"content-length", b"host", b"via"}
"""Headers that a Connection header cannot remove, whoever sent it."""

_NOT_SENT_ON: Final = HOP_BY_HOP | _FORWARDED | {b"expect", b"host"}
_NOT_PASSED_ON: Final = HOP_BY_HOP | {b"content-length"}
_FRAMES: Final = frozenset({b"content-length", b"transfer-encoding"})
_SPECIAL: Final = _NOT_SENT_ON | {b"content-length", b"via"}
"""A name that becomes one of these when a server reads _ as - is dropped too."""

_TOKENS: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
_NO_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_OWN: Final = b"/-/"
_PLAIN: Final = re.compile(rb"(?:/[0-9A-Za-z_][0-9A-Za-z_.-]*)+")
"""Paths that mean nothing else when they are decoded or normalised: most of them."""


def fields_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    """Return the values by name. Most rules are for headers that are seldom there, and ask this."""
    fields: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in fields:
            fields[name].append(value)
        else:
            fields[name] = [value]
    return fields


def is_own(raw_path: bytes) -> bool:
    """Say whether a path is the proxy's own. Raises ProxyError (404) for one that only decodes or normalises to it."""
    if raw_path.startswith(_OWN):
        return True
    if _PLAIN.fullmatch(raw_path):
        return False
    if normalised(raw_path).startswith(_OWN):
        raise ProxyError("not_found", "paths under /-/ are the proxy's own and are taken as they are written")
    return False


class Destination(NamedTuple):
    """Where requests go on to.

    `authority` becomes the Host header: where a request goes is never taken from the caller. `pseudonym` is this
    proxy's name in Via; a request that carries it already has gone round in a circle (508).
    """

    authority: bytes
    base_path: bytes = b""
    pseudonym: bytes = b"pool-sandbox"


def outbound(scope: Mapping[str, Any], fields: Fields, to: Destination) -> Outbound:
    """Return the request to send upstream. `fields` are those of the scope's headers.

    Raises ProxyError (4xx, 501, 508), also where the caller's request has no single meaning.
    """
    authority, base_path, pseudonym = to
    incoming: Headers = scope["headers"]
    version: str = scope["http_version"]
    target = _target(scope, base_path)
    hosts = fields.get(b"host", ())
    host = b"\n".join(hosts)  # two are none
    if not HOST.fullmatch(host) and (hosts or version != "1.0"):
        raise ProxyError("bad_request", "a request needs one valid Host header")
    if AUTHORITY_KEY in scope:
        host = absolute_host(scope[AUTHORITY_KEY])
    chunked, has_body = (False, False) if _FRAMES.isdisjoint(fields) else request_framing(fields, version)
    if b"expect" in fields:
        check_expectation(fields)
    if b"upgrade" in fields and is_websocket_handshake(scope, fields):
        raise ProxyError("not_implemented")
    if b"via" in fields and any(pseudonym in value for value in fields[b"via"]):
        raise ProxyError("loop_detected")
    dropped = _dropped(fields)
    if chunked:
        dropped |= {b"content-length"}
    headers = [(b"host", authority)]
    headers += [field for field in incoming if field[0] not in dropped]
    if chunked:
        headers.append((b"transfer-encoding", b"chunked"))
    if scope.get("client"):
        headers.append((b"x-forwarded-for", scope["client"][0].encode()))
    headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
    if host:
        headers.append((b"x-forwarded-host", host))
    headers.append((b"via", version.encode() + b" " + pseudonym))
    return Outbound(scope["method"], target, headers, has_body)


def answer_headers(status: int, upstream: Iterable[tuple[bytes, bytes]], date: bytes) -> Headers:
    """Return the headers to pass on, with `date` where the upstream sent none (RFC 9110 section 6.6.1).

    Raises ProxyError (502) for a head that is not a final answer of valid HTTP.
    """
    if not 200 <= status <= 599:
        raise ProxyError("upstream_protocol_error")
    received = [(name.lower(), value) for name, value in upstream]
    fields = fields_of(received)
    if (
        sum(map(len, chain.from_iterable(received))) > ANSWER_HEAD_BYTES
        # no name and no value may hold what could end a line
        or _NO_VALUE.search(b"".join(chain.from_iterable(fields.values())))
        or not _TOKENS.fullmatch(b"".join(fields))
        or b"" in fields
    ):
        raise ProxyError("upstream_protocol_error")
    length = None if _FRAMES.isdisjoint(fields) else _answer_length(fields)
    dropped = _NOT_PASSED_ON
    if b"connection" in fields:
        dropped |= _named_in_connection(fields)
    headers = [header for header in received if header[0] not in dropped]
    if length is not None and status not in (204, 304):  # uvicorn would wait for the body of a 304 and cut
        headers.append((b"content-length", length))
    if b"date" not in fields:
        headers.append((b"date", date))
    return headers


def has_open_end(method: str, status: int, headers: Headers) -> bool:
    """Say whether an answer has a body and no length, so that only chunks or the connection's end can end it."""
    return method != "HEAD" and status not in (204, 304) and not header(headers, b"content-length")


def request_id_of(value: bytes) -> str:
    """Return an x-request-id as far as it is kept."""
    return value.decode("latin-1")[:128]


def _dropped(fields: Fields) -> frozenset[bytes]:
    """Return the names of the request headers that stay behind."""
    dropped = _NOT_SENT_ON
    if b"connection" in fields:
        dropped |= _named_in_connection(fields)
    if b"_" in b"".join(fields):
        dropped |= {name for name in fields if b"_" in name and name.replace(b"_", b"-") in _SPECIAL}
    return dropped


def _named_in_connection(fields: Fields) -> frozenset[bytes]:
    """Return the headers that Connection names, on however many lines."""
    lines = fields.get(b"connection", ())
    return frozenset({token.strip().lower() for line in lines for token in line.split(b",")}) - _NEVER_NAMED


def _target(scope: Mapping[str, Any], base_path: bytes) -> bytes:
    raw_path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    if raw_path == b"*" and scope["method"] == "OPTIONS":
        return raw_path
    if not raw_path.startswith(b"/"):
        raise ProxyError("bad_request", "a request's target begins with /")
    return base_path + raw_path + (b"?" + query if query else b"")


def _answer_length(fields: Fields) -> bytes | None:
    """Return the Content-Length of an answer, None if it is chunked. Raises ProxyError (502).

    A Content-Length beside a Transfer-Encoding is refused too: one of them lies, and two readers may believe each one.
    """
    codings = [value.strip().lower() for value in fields.get(b"transfer-encoding", ())]
    lengths = {part.strip() for value in fields.get(b"content-length", ()) for part in value.split(b",")}
    if codings not in ([], [b"chunked"]) or len(lengths) + len(codings) > 1:
        raise ProxyError("upstream_protocol_error")
    length = lengths.pop() if lengths else None
    if length is not None and not (length.isdigit() and len(length) < 19):
        length = length.lstrip(b"0")
        if not (length.isdigit() and len(length) < 19):  # nothing behind this overflows
            raise ProxyError("upstream_protocol_error")
    return length
