"""What a request is refused for, besides its size: its version, its host, its length, what it expects. Pure rules.

Sources: RFC 9112 sections 3.2 (Host) and 6 (lengths), RFC 9110 sections 7.8 (Upgrade) and 10.1.1 (Expect).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from proxy.asgi import Fields
from proxy.errors import ProxyError

UPGRADE_KEY: Final = "proxy.upgrade"
"""In the scope of a request whose Connection named "upgrade", where the protocol class has taken that out."""

HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~%!$&'()*+;=-]+)(?::[0-9]{0,5})?")
_LENGTH: Final = re.compile(rb"[ \t]*[0-9]{1,18}[ \t]*")


def absolute_host(authority: bytes) -> bytes:
    """Return the authority of an absolute target, which counts in place of Host (RFC 9112 section 3.2.2)."""
    if not HOST.fullmatch(authority):
        raise ProxyError("bad_request", "an absolute target names one valid host")
    return authority


def refuse_version(version: str) -> NoReturn:
    if version == "2.0":
        raise ProxyError("http_version_not_supported", "HTTP/1.1 and HTTP/1.0 are spoken here")
    raise ProxyError("bad_request", "there is no such version of HTTP/1")


def request_framing(fields: Fields, http_version: str) -> tuple[bool, bool]:
    """Return whether a request's body is chunked, and whether there is one. Raises ProxyError (400)."""
    codings = fields.get(b"transfer-encoding")
    lengths = fields.get(b"content-length", [])
    if codings is None:
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            raise ProxyError("bad_request", "a request has one Content-Length, a whole number")
        return False, int(lengths[0]) > 0
    if lengths or len(codings) > 1 or codings[0].strip().lower() != b"chunked" or http_version == "1.0":
        raise ProxyError("bad_request", "the only transfer coding taken is chunked, of an HTTP/1.1 caller")
    return True, True


def check_expectation(fields: Fields, http_version: str) -> None:
    expected = {value.strip().lower() for value in fields[b"expect"]} - {b""}
    if expected and (http_version == "1.0" or expected != {b"100-continue"}):
        # uvicorn would send 100 Continue to an HTTP/1.0 caller, which takes it for the answer
        raise ProxyError("expectation_failed")


def is_websocket_handshake(scope: Mapping[str, Any], fields: Fields) -> bool:
    """Say whether to refuse an Upgrade, as RFC 6455 section 4.1 has it; any other is ignored (RFC 9110 section 7.8)."""
    return (
        scope["method"] == "GET"
        and scope["http_version"] == "1.1"
        and b"sec-websocket-key" in fields
        and b"websocket" in _members(fields[b"upgrade"])
        and (UPGRADE_KEY in scope or b"upgrade" in _members(fields.get(b"connection", ())))
    )


def _members(values: Iterable[bytes]) -> set[bytes]:
    """Return the members of a list, on however many lines, in lower case."""
    return {member.strip().lower() for value in values for member in value.split(b",")}
