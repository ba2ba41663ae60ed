"""uvicorn's connection by h11, the parser in Python, as the proxy needs it.

h11 is more lenient than httptools: it takes bare line feeds, folded lines, control characters, repeated lengths, both
lengths at once. What it would hide is looked for in the raw bytes of each head and trailer section.
"""

import re
from typing import Any, Final

import h11
from h11._receivebuffer import ReceiveBuffer
from h11._state import MIGHT_SWITCH_PROTOCOL
from uvicorn.protocols.http.h11_impl import H11Protocol

from proxy.forward.request_target import AUTHORITY_KEY, origin_form
from proxy.forward.uvicorn_protocol import CallerProtocol
from service_kit.ordered_refusal import MAX_UNPARSED_BYTES

_MALFORMED: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""A bare line feed or carriage return, a folded line, a control character (RFC 9112 sections 2.2, 5.2)."""

_FRAMING: Final = re.compile(rb"(?im)^(?:content-length|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*)")
_ONE_VALUE: Final = re.compile(rb"(?i)(?:[0-9]{1,18}|chunked)[ \t]*")


def check_lines(raw: bytes, *, trailers: bool) -> None:
    """Refuse what two parsers may read in two ways. Raises h11.RemoteProtocolError."""
    if _MALFORMED.search(raw):
        raise h11.RemoteProtocolError("malformed lines")
    framing = _FRAMING.findall(raw)
    if len(framing) > (0 if trailers else 1) or not all(map(_ONE_VALUE.fullmatch, framing)):
        raise h11.RemoteProtocolError("ambiguous length")


class StrictBuffer(ReceiveBuffer):
    """h11's buffer, which hands lines over only if they have one meaning."""

    trailers = False
    begins_with_head = False

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Extract a head, or trailers, once all of it is here."""
        if not self.trailers:
            while self._data.startswith(b"\r\n"):  # RFC 9112 section 2.2
                del self._data[:2]
            self.begins_with_head = self._data.startswith(b"HEAD")
            if bytes(self._data) in (b"", b"\r"):
                return None
        raw = bytes(self._data)
        lines = super().maybe_extract_lines()
        if lines is not None:
            check_lines(raw[: len(raw) - len(self._data)], trailers=self.trailers)
        elif _MALFORMED.search(raw.removesuffix(b"\r")):  # garbage may never come to an end
            raise h11.RemoteProtocolError("malformed lines")
        return lines


class StrictConnection(h11.Connection):
    """h11's parser with a strict buffer. `status` is what to answer to the error that it raised."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAX_UNPARSED_BYTES)
        self._receive_buffer: StrictBuffer = StrictBuffer()
        self.authority: bytes | None = None
        self.status = 400

    @property
    def has_unread_requests(self) -> bool:
        """Whether there are bytes behind a request that is not answered yet."""
        return self.their_state in (h11.DONE, MIGHT_SWITCH_PROTOCOL) and bool(self._receive_buffer)

    @property
    def begins_with_head(self) -> bool:
        """Whether the head that was read last is one of a HEAD."""
        return self._receive_buffer.begins_with_head

    def next_event(self) -> Any:
        """Return h11's next event, a request's with its target in origin form."""
        self._receive_buffer.trailers = self.their_state is not h11.IDLE
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.status = 431 if error.error_status_hint == 431 else 400
            raise
        if isinstance(event, h11.Request):
            try:
                target, self.authority = origin_form(event.method, event.target)
            except ValueError as error:
                raise h11.RemoteProtocolError(str(error)) from error
            if target != event.target:
                version = event.http_version
                return h11.Request(method=event.method, headers=event.headers, target=target, http_version=version)
        return event


class H11Connection(CallerProtocol, H11Protocol):
    """One caller's connection."""

    conn: StrictConnection
    _closed_side = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = StrictConnection()

    @property
    def head_begun(self) -> bool:  # type: ignore[override]
        """Whether bytes of a head are here that is not whole."""
        return self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])

    @property
    def answering(self) -> Any:
        """h11 reads no request before the one before it is answered."""
        return self.cycle

    def data_received(self, data: bytes) -> None:
        if not self.refusing:
            self.received_bytes += len(data)
            super().data_received(data)

    def _should_upgrade(self) -> bool:
        # uvicorn asks when the scope is there and before it starts the request
        if self.conn.authority is not None:
            self.scope[AUTHORITY_KEY] = self.conn.authority
        if self.before_request is not None:
            self.before_request()
        return False

    def may_be_head(self) -> bool:
        """Whether the head that was read last is one of a HEAD."""
        return self.conn.begins_with_head

    def send_400_response(self, _: str) -> None:
        """What came is not HTTP."""
        self.refuse(self.conn.status)

    def refuse(self, status: int | None) -> None:
        """Refuse; but a FIN counts behind the whole requests that h11 has not read yet."""
        self._closed_side = self._closed_side or status is None
        if status is not None or not self.conn.has_unread_requests:
            super().refuse(status)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._closed_side:
            self.refuse(None)
        if self.refusing and self.cycle.response_complete:
            self.last_answer_sent()

    def shutdown(self) -> None:
        """End, after the answer that is under way."""
        if self.refusing and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
        else:
            super().shutdown()
