"""Refuses what is not HTTP when its turn has come: behind the answers that are due, and never inside one.

uvicorn writes its 400 at once: into an answer that is under way, or in place of the answer to a valid request before.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

LINGER_SECONDS: Final = 1.0
"""How long a connection is still read after its last answer. If it were closed with bytes unread, the kernel would send
a reset, and the client might lose the answer (RFC 9112 section 9.6)."""


def disconnect(cycle: Any) -> None:
    """Let a request of uvicorn's end as if its client had left."""
    cycle.disconnected = True
    cycle.message_event.set()


class OrderedRefusals(asyncio.Protocol):
    """Mixed into a protocol class of uvicorn's, which calls `last_answer_sent` when nothing runs or waits any more."""

    refusing: bool = False
    """No further bytes are parsed."""
    ended: bool = False
    """The last answer of this connection is written."""
    before_request: Callable[[], None] | None = None
    """Called when a head is here and its scope is not yet given to the app."""
    received_bytes: int = 0
    """What came before anything was refused."""
    transport: Any
    flow: Any
    loop: Any
    cycle: Any  # uvicorn's: the newest request
    answering: Any = None  # the request that is being answered; the others wait in the pipeline
    server_state: Any
    pipeline: Any = ()
    _unset_keepalive_if_required: Any
    _refusal_status: int | None = None
    _to_head = False

    def refuse(self, status: int | None) -> None:
        """Parse no more. Answer `status` when it is this answer's turn; None: only close then.

        A request whose body is not whole gets no other answer, unless one has begun.
        """
        if self.refusing:
            return
        self.refusing = True
        self._refusal_status = status
        cycle = self.cycle
        broken = cycle is not None and cycle.more_body and not cycle.response_complete
        self._to_head = cycle.scope["method"] == "HEAD" if broken else self.may_be_head()
        if cycle is None:
            self.last_answer_sent()
        elif cycle.response_complete:
            if cycle.more_body:  # it was answered already
                self._refusal_status = None
            self.last_answer_sent()
        elif broken:
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
            elif cycle.response_started:
                self._refusal_status = None
                self.body_broken()
            else:
                disconnect(cycle)
                self.last_answer_sent()

    def body_broken(self) -> None:
        """The rest of the body of a request that is being answered will not come: cut its answer."""
        disconnect(self.cycle)
        self.end()

    def may_be_head(self) -> bool:
        """Whether what is refused may be a HEAD: the answer to it has no body."""
        return False

    def refusal(self, status: int, *, has_body: bool) -> bytes:
        """Return an answer with this status, whole."""
        text = b"Invalid HTTP request received." if has_body else b""
        headers = b"".join(b"%s: %s\r\n" % header for header in self.server_state.default_headers)
        line = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
        head = line + headers + b"content-type: text/plain; charset=utf-8\r\n"
        return head + b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(text), text)

    def last_answer_sent(self) -> None:
        """Write the refusal, if there is one, and close. Called when no request runs or waits any more."""
        if self.ended or self.transport.is_closing():
            return
        if self._refusal_status is not None:
            self.transport.write(self.refusal(self._refusal_status, has_body=not self._to_head))
        self.end()

    def end(self) -> None:
        """Close for writing; go on reading for a moment, and throw away what comes."""
        self.ended = True
        self._unset_keepalive_if_required()
        if self._refusal_status is not None and self.transport.can_write_eof():
            self.flow.resume_reading()
            self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()
