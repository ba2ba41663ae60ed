"""The types of ASGI, and the look-up of a header in its lists."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Fields = Mapping[bytes, list[bytes]]
"""The values of each header, in order, by its name in lower case."""


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return the first value of a header, empty if there is none. `name` is in lower case."""
    for key, value in headers:  # several times a request: a generator takes twice as long
        if key == name:
            return value
    return b""
