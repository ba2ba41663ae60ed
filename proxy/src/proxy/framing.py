"""How long a message is, and whether that has one meaning only (RFC 9112 section 6). Whatever has two is refused."""

import re
from typing import Final

from proxy.errors import ProxyError

Headers = list[tuple[bytes, bytes]]

REQUEST_HEAD_BYTES: Final = 65_536
"""Names and values of a request; more is 431."""

ANSWER_HEAD_BYTES: Final = 65_536
"""Names and values of an answer; more is 502."""

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def request_framing(headers: Headers, http_version: str) -> tuple[bool, bool]:
    """Return whether a request's body is chunked, and whether there is one. Raises ProxyError (400)."""
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if not codings:
        lengths = [value for name, value in headers if name == b"content-length"]
        if len(lengths) > 1 or (lengths and not lengths[0].strip().isdigit()):
            raise ProxyError("bad_request", "a request has one Content-Length, a whole number")
        return False, bool(lengths) and int(lengths[0]) > 0
    if codings != [b"chunked"] or http_version == "1.0":
        raise ProxyError("bad_request", "the only transfer coding taken is chunked, of an HTTP/1.1 caller")
    return True, True


def check_request_head(headers: Headers) -> None:
    """Refuse a head of more than REQUEST_HEAD_BYTES. Raises ProxyError (431)."""
    if sum([len(name) + len(value) for name, value in headers]) > REQUEST_HEAD_BYTES:
        raise ProxyError("headers_too_large")


def check_answer(headers: Headers) -> bytes | None:
    """Return the Content-Length of an answer, None without one. Raises ProxyError (502) for what is not valid HTTP.

    A Content-Length beside a Transfer-Encoding is refused too: one of them lies, and two readers may believe each one.
    """
    names = [name for name, _ in headers]
    text = b"".join([value for _, value in headers])
    joined = b"".join(names)
    # no name and no value may hold what could end a line
    if len(joined) + len(text) > ANSWER_HEAD_BYTES or _NO_VALUE.search(text) or not (all(names) and _is_token(joined)):
        raise ProxyError("upstream_protocol_error")
    codings: list[bytes] = []
    lengths: set[bytes] = set()
    if b"transfer-encoding" in names:
        codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if b"content-length" in names:
        lengths = {part.strip() for name, value in headers if name == b"content-length" for part in value.split(b",")}
    if codings not in ([], [b"chunked"]) or len(lengths) + len(codings) > 1:
        raise ProxyError("upstream_protocol_error")
    length = lengths.pop() if lengths else None
    if length is not None and not length.isdigit():
        raise ProxyError("upstream_protocol_error")
    return length


def _is_token(name: bytes) -> bool:
    return not name or _NAME.fullmatch(name) is not None
