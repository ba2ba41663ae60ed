"""What goes on and what stays: pure rules from an ASGI scope to an upstream request, and from its answer back.

Sources: RFC 9110 section 7.6.1 (hop-by-hop), RFC 9112 sections 3.2 (Host), 6 (framing).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from proxy.errors import ProxyError

Headers = list[tuple[bytes, bytes]]

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
_NEVER_NAMED: Final = frozenset({b"host", b"content-length", b"x-forwarded-for", b"x-forwarded-proto"})
"""Headers that a Connection header cannot remove, whoever sent it."""

_REPLACED: Final = frozenset({b"host", b"expect", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"})
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~%!$&'()*+;=-]+)(?::[0-9]{0,5})?")
_OWN: Final = b"/-/"


@dataclass(frozen=True)
class Outbound:
    """A request as it is to be sent: the target byte for byte, headers in order, and whether a body follows."""

    method: str
    target: bytes
    headers: Headers
    has_body: bool


def is_own(raw_path: bytes) -> bool:
    """Say whether a path is the proxy's own. Raises ProxyError (404) for one that only decodes or normalises to it."""
    if raw_path.startswith(_OWN):
        return True
    if _normalised(raw_path).startswith(_OWN):
        raise ProxyError("not_found", "paths under /-/ are the proxy's own and are taken as they are written")
    return False


def outbound(scope: Mapping[str, Any], *, authority: bytes, base_path: bytes = b"") -> Outbound:
    """Return the request to send upstream. Raises ProxyError (400) where the caller's request has no single meaning.

    `authority` becomes the Host header: where a request goes is never taken from the caller.
    """
    incoming: Headers = scope["headers"]
    host = _host(incoming, scope["http_version"])
    raw_path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    target = base_path + raw_path + (b"?" + query if query else b"")
    dropped = HOP_BY_HOP | _named_in_connection(incoming) | _REPLACED
    headers = [(b"host", authority)]
    headers += [header for header in incoming if header[0] not in dropped]
    chunked = False
    has_length = False
    for name, _ in incoming:
        chunked = chunked or name == b"transfer-encoding"
        has_length = has_length or name == b"content-length"
    if chunked:
        headers.append((b"transfer-encoding", b"chunked"))
    client = scope.get("client")
    if client:
        headers.append((b"x-forwarded-for", client[0].encode()))
    headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
    if host:
        headers.append((b"x-forwarded-host", host))
    return Outbound(scope["method"], target, headers, has_body=chunked or has_length)


def answer_headers(status: int, upstream: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers to pass on. Raises ProxyError (502) for a status that no server may send as final."""
    if not 200 <= status <= 599:
        raise ProxyError("upstream_protocol_error")
    received = [(name.lower(), value) for name, value in upstream]
    dropped = HOP_BY_HOP | _named_in_connection(received)
    bodiless = status in (204, 304)
    if bodiless or any(name == b"transfer-encoding" for name, _ in received):
        # the length of a chunked body is not what Content-Length says; uvicorn would wait for the body of a 304
        dropped |= {b"content-length"}
    return [header for header in received if header[0] not in dropped]


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return the first value of a header, empty if there is none."""
    return next((value for key, value in headers if key == name), b"")


def _host(headers: Headers, http_version: str) -> bytes:
    values = [value for name, value in headers if name == b"host"]
    if not values and http_version == "1.0":
        return b""
    if len(values) != 1 or not _HOST.fullmatch(values[0]):
        raise ProxyError("bad_request", "a request needs one valid Host header")
    return values[0]


def _named_in_connection(headers: Headers) -> frozenset[bytes]:
    named = {token.strip().lower() for name, value in headers if name == b"connection" for token in value.split(b",")}
    return frozenset(named - _NEVER_NAMED)


def _normalised(raw_path: bytes) -> bytes:
    """Decode a path and resolve its dots and double slashes, as a careless server might."""
    segments: list[bytes] = []
    path = unquote_to_bytes(raw_path)
    for segment in path.replace(b"\\", b"/").split(b"/"):
        if segment == b"..":
            del segments[-1:]
        elif segment not in (b"", b"."):
            segments.append(segment)
    trailing = b"/" if len(segments) == 1 and path.endswith(b"/") else b""
    return b"/" + b"/".join(segments) + trailing
