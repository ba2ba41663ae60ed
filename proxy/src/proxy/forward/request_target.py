"""The four forms of a request's target (RFC 9112 section 3.2), made one; and what a path comes to. Pure rules."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

AUTHORITY_KEY: Final = "proxy.authority"
"""Where the protocol class puts the authority of an absolute target in a request's scope."""

_ABSOLUTE: Final = re.compile(rb"https?://([^/?]*)(/[^?]*)?(\?.*)?", re.IGNORECASE)


def origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """Return a target in origin form (or `*`), and the authority that an absolute one names.

    Raises ValueError for what is no target of a request to an origin, nor to this proxy: CONNECT's among them.
    """
    if method == b"CONNECT" or b"#" in target:  # a fragment is never sent
        raise ValueError("a request to an origin is no CONNECT, and its target has no fragment")
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise ValueError("a request's target begins with / or is an absolute URL")
    authority, path, query = absolute.groups(b"")
    if not path and not query and method == b"OPTIONS":
        return b"*", authority  # RFC 9112 section 3.2.4
    return (path or b"/") + query, authority


def normalised(raw_path: bytes) -> bytes:
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
