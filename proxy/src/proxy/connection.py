"""uvicorn's HTTP/1.1 connection, which tells a request at once when its caller has left.

ASGI has one way to hear of that: to wait for `http.disconnect`, which takes a task for each request and a tenth of its
time. The connection knows it anyway. Under any other server there is no line, and `Caller` waits the ASGI way.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SCOPE_KEY: Final = "proxy.line"


class Line:
    """The connection as a request sees it. One request of a connection is worked on at a time: one listener."""

    __slots__ = ("lost", "on_lost")

    def __init__(self) -> None:
        self.lost = False
        self.on_lost: Callable[[], None] | None = None

    def lose(self) -> None:
        """The connection is gone."""
        self.lost = True
        if self.on_lost is not None:
            self.on_lost()


class Connection(HttpToolsProtocol):
    """uvicorn's own protocol with a line for each connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line = Line()

    def on_message_begin(self) -> None:
        """A request begins to arrive."""
        super().on_message_begin()
        self.scope[SCOPE_KEY] = self._line  # type: ignore[typeddict-unknown-key] # a key of our own

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone, or was cut off."""
        super().connection_lost(exc)
        self._line.lose()


def line_of(scope: Mapping[str, Any]) -> Line | None:
    """Return the line of a request, if its server has one."""
    return scope.get(SCOPE_KEY)
