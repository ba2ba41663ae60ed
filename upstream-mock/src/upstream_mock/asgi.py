"""ASGI's types, and the keys of our own in a request's scope."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

CORRELATION_KEY = "upstream_mock.marks"
"""The headers by which a request is told from others; no such key if it has none (see aside.py)."""

OPTIONS_KEY = "upstream_mock.words"
"""The headers that ask for something, and those that announce a body; no such key if it has none."""
