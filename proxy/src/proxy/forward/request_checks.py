"""What a request is refused for, by errors of the proxy's own: its host, its length, what it expects. Pure rules.

Sources: RFC 9112 sections 3.2 (Host) and 6 (lengths), RFC 9110 sections 7.8 (Upgrade) and 10.1.1 (Expect).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from proxy.asgi import Fields
from proxy.errors import ProxyError
from service_kit.request_head import HOST, RequestError, body_length, is_met

UPGRADE_KEY: Final = "proxy.upgrade"
"""In the scope of a request whose Connection named "upgrade", where the protocol class has taken that out."""


def absolute_host(authority: bytes) -> bytes:
    """Return the authority of an absolute target, which counts in place of Host (RFC 9112 section 3.2.2)."""
    if not HOST.fullmatch(authority):
        raise ProxyError("bad_request", "an absolute target names one valid host")
    return authority


def request_framing(fields: Fields, http_version: str) -> tuple[bool, bool]:
    """Return whether a request's body is chunked, and whether there is one. Raises ProxyError (400, 501)."""
    framing = [*fields.get(b"content-length", ()), *fields.get(b"transfer-encoding", ())]
    try:
        length = body_length(framing, http_version[2:].encode())
    except RequestError as error:
        raise ProxyError("not_implemented" if error.status == 501 else "bad_request", str(error)) from error
    return length is None, length != 0


def check_expectation(fields: Fields) -> None:
    if not all(map(is_met, fields[b"expect"])):
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
