"""uvicorn's connection by h11, the parser in Python, as the proxy needs it.

h11 is more lenient than httptools: it takes bare line feeds, folded lines, control characters, repeated lengths, both
lengths at once. What it would hide is looked for in the raw bytes of each head, by the rules that httptools gets too.
"""

from typing import Any

import h11
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from h11._state import MIGHT_SWITCH_PROTOCOL
from uvicorn.protocols.http.h11_impl import H11Protocol

from proxy.forward.request_target import AUTHORITY_KEY, origin_form
from proxy.forward.uvicorn_protocol import CallerProtocol
from service_kit.chunked_body import ChunkedBody
from service_kit.request_head import (
    LINE,
    MAX_HEAD_BYTES,
    RequestError,
    body_length,
    check_lines,
    end_of_head,
    framing_of,
    plain_length,
    refused_line,
)


class StrictBuffer(ReceiveBuffer):
    """h11's buffer, which hands a head over only if it has one meaning."""

    begins_with_head = False
    _searched = 0

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Extract a head, once all of it is here. Raises RequestError."""
        while self._data.startswith(b"\r\n"):  # RFC 9112 section 2.2
            del self._data[:2]
            self._searched = 0
        if bytes(self._data) in (b"", b"\r"):
            return None
        self.begins_with_head = self._data.startswith(b"HEAD ")
        end = end_of_head(self._data, self._searched)
        if end < 0:
            self._searched = len(self._data)
            return None
        self._searched = 0
        head = bytes(self._data[:end])
        line = LINE.match(head)
        if line is None:
            raise refused_line(head)
        check_lines(head, 0, end)
        if framing := framing_of(head.lower()):
            body_length(framing, line[2])
            self._data[:end] = plain_length(head)
        return super().maybe_extract_lines()

    def is_next_line_obviously_invalid_request_line(self) -> bool:
        """No: that was looked for above; h11 would refuse a carriage return whose line feed has not come."""
        return False

    def take_all(self) -> bytes:
        """Extract everything."""
        return bytes(self.maybe_extract_at_most(len(self)) or b"")

    def put_back(self, data: bytes) -> None:
        """Have these bytes in front again."""
        self._data[:0] = data


class StrictReader:
    """Reads a chunked body for h11, in place of its own reader."""

    def __init__(self) -> None:
        self._body = ChunkedBody()
        self._whole = False

    def __call__(self, buffer: StrictBuffer) -> h11.Data | h11.EndOfMessage | None:
        """Return the next event, if there is one. Raises RequestError."""
        content = b""
        if not self._whole:
            content, behind = self._body.read(buffer.take_all())
            self._whole = behind is not None
            buffer.put_back(behind or b"")
        if content:
            return h11.Data(data=content)
        return h11.EndOfMessage() if self._whole else None

    read_eof = ChunkedReader.read_eof


class StrictConnection(h11.Connection):
    """h11's parser with a strict buffer. `status` is what to answer to the error that it raised."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAX_HEAD_BYTES)
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
        try:
            event = super().next_event()
        except RequestError as error:
            self.status = error.status
            raise h11.RemoteProtocolError(str(error)) from error
        if not isinstance(event, h11.Request):
            return event
        if isinstance(self._reader, ChunkedReader):
            self._reader = StrictReader()
        try:
            target, self.authority = origin_form(event.method, event.target)
        except ValueError as error:
            raise h11.RemoteProtocolError(str(error)) from error
        version = b"1.0" if event.http_version == b"1.0" else b"1.1"  # RFC 9110 section 2.5
        if target != event.target or version != event.http_version:
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
    def partial_head(self) -> bytes:  # type: ignore[override]
        """What is here of a head that is not whole."""
        return self.conn.trailing_data[0] if self.conn.their_state is h11.IDLE else b""

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
        if self.partial_head:  # the time-out between two requests is not that of a head that has begun
            self._unset_keepalive_if_required()
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
