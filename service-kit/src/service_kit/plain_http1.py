"""uvicorn's HTTP/1.1 connection by httptools, for what that takes, refuses or leaves out.

Heads are found in the raw bytes, checked (`request_head`), and given to httptools one at a time, whole; chunked bodies
are decoded here (`chunked_body`), so that their trailers cannot become headers, as uvicorn would have them (RFC 9110
section 6.5.1). A method that httptools does not know is given to it as GET. An Upgrade is ignored, as RFC 9110 section
7.8 allows: httptools takes what follows such a head for another protocol, and uvicorn would lose the request's body.
"""

import asyncio
import re
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service_kit.chunked_body import ChunkedBody
from service_kit.ordered_refusal import OrderedRefusals, disconnect
from service_kit.request_head import (
    END,
    LINE,
    RequestError,
    body_length,
    end_of_head,
    framing_of,
    plain_length,
    refused_line,
)

METHODS: Final = frozenset(
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND "
    b"UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK "
    b"UNLINK SOURCE QUERY".split()
)
"""Those of HTTP that httptools knows."""

_SHORT_HEAD_BYTES: Final = 2_000

_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)+")
_SPACE_BEHIND_VALUE: Final = re.compile(rb"(?<=[^ \t\r\n])[ \t]+(?=\r\n)")


class PlainHttp1Protocol(OrderedRefusals, HttpToolsProtocol):
    """It parses a head with an Upgrade again, without "upgrade" in Connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parse_again = self._begins_with_head = self._in_body = False
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self.partial_head = b""
        self._left = 0
        self._chunks: ChunkedBody | None = None
        self._method = b""
        self._last_head = b""

    def data_received(self, data: bytes) -> None:
        if self.refusing:
            return
        self.timeout_keep_alive_task = None
        self.received_bytes += len(data)
        try:
            while data and not self.refusing:
                data = self._read_body(data) if self._in_body else self._read_head(data)
        except RequestError as error:
            self.logger.warning("Invalid HTTP request received: %s.", error)
            self.refuse(error.status)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _read_head(self, data: bytes) -> bytes:
        """Read a request up to its body; return the bytes behind it, or behind the head. Raises RequestError."""
        cycle = self.cycle
        if cycle is not None and not cycle.keep_alive:
            return b""  # the connection ends with its answer
        alike = data == self._last_head and not self.partial_head  # as a caller's requests mostly are
        head, behind = (data, b"") if alike else self._checked_head(data)
        if not head:
            return b""
        try:
            self.parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            if self._parse_again:
                self._parse_without_upgrade()
        if self.cycle is cycle:
            raise RequestError(400, "no request")
        return behind

    def _checked_head(self, data: bytes) -> tuple[bytes, bytes]:
        """Return a head as httptools takes it, empty while it is not whole, and what is behind it.

        Raises RequestError.
        """
        self._last_head = b""
        searched = 0
        if self.partial_head:
            searched = len(self.partial_head)
            data, self.partial_head = self.partial_head + data, b""
        if data.startswith(b"\r"):
            data, searched = _EMPTY_LINES.sub(b"", data, count=1), 0  # RFC 9112 section 2.2
        self._begins_with_head = data.startswith(b"HEAD ")
        # most packets are one head, and one so short has neither too many bytes nor too many fields
        end = len(data)
        if not 0 < data.find(END) == end - len(END) < _SHORT_HEAD_BYTES:
            end = end_of_head(data, searched) if data not in (b"", b"\r") else -1
        if end < 0:
            self.partial_head = data
            return b"", b""
        head = data[:end]
        line = LINE.match(head)
        if line is None:
            raise refused_line(head)
        self._method, self._left, self._chunks = b"", 0, None
        in_lower_case = head.lower()
        if b"\r\ncontent-length" in in_lower_case or b"\r\ntransfer-encoding" in in_lower_case:
            length = body_length(framing_of(in_lower_case), line[2])
            self._left, self._chunks = length or 0, ChunkedBody() if length is None else None
            head = plain_length(head)
        if line[1] not in METHODS or line[2] not in b"01" or b" \r\n" in head or b"\t\r\n" in head:
            head = self._parsable(head, line)
        elif not self._left and self._chunks is None:
            self._last_head = head
        return head, data[end:]

    def _parsable(self, head: bytes, line: "re.Match[bytes]") -> bytes:
        """Return a head as httptools takes it."""
        head = _SPACE_BEHIND_VALUE.sub(b"", head)
        if line[2] not in b"01":  # RFC 9110 section 2.5
            head = head[: line.start(2)] + b"1" + head[line.end(2) :]
        if line[1] not in METHODS:
            self._method = line[1]
            head = b"GET" + head[line.end(1) :]
        return head

    def _read_body(self, data: bytes) -> bytes:
        """Read of a body; return the bytes behind it."""
        if self._chunks is None:
            rest = data[self._left :]
            self._left -= len(data) - len(rest)
            self.parser.feed_data(data[: len(data) - len(rest)])
            return rest
        content, behind = self._chunks.read(data)
        if content:
            self.on_body(content)
        if behind is None:
            return b""
        self.parser.feed_data(b"0\r\n\r\n")  # the end, for its state
        return behind

    def on_headers_complete(self) -> None:
        upgrade = self.parser.should_upgrade()
        connect = upgrade and self.parser.get_method() == b"CONNECT"
        self._parse_again = upgrade and not connect
        if self._parse_again:
            return
        if connect or self.url[:1] != b"/" or b"#" in self.url:
            self.url = self.origin_form(self.url)
        if self.expect_100_continue and self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # RFC 9110 section 10.1.1
        if self.before_request is not None:
            self.before_request()
        super().on_headers_complete()
        self._in_body = True
        if self._method:
            self.scope["method"] = self._method.decode()
        if not self.pipeline:
            self.answering = self.cycle

    def origin_form(self, target: bytes) -> bytes:
        """Return the target of a CONNECT, or one that does not begin with a slash, as it is to be parsed.

        Raises ValueError: 400.
        """
        return target

    def on_message_complete(self) -> None:
        if not self._parse_again:
            self._in_body = False
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the newest request only, and would begin those that wait
        if self.answering is not self.cycle and not self.answering.response_complete:
            disconnect(self.answering)
        self.pipeline.clear()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        if self.pipeline:
            self.answering = self.pipeline[-1][0]
            super().on_response_complete()
            return
        # In place of uvicorn's method, which arms a timer for each answer: a fortieth of the time of a quick client's
        # request. Here one goes on beneath the requests and looks when it ends.
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if not self.partial_head:  # the time-out between two requests is not that of a head that has begun
                self._idle_since = self.loop.time()
                if self._idle_timer is None:
                    self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._end_if_idle)
                self.timeout_keep_alive_task = self._idle_timer
        if self.refusing:
            self.last_answer_sent()

    def _unset_keepalive_if_required(self) -> None:
        self.timeout_keep_alive_task = None

    def _end_if_idle(self) -> None:
        self._idle_timer = None
        if self.timeout_keep_alive_task is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.timeout_keep_alive_task = self.loop.call_later(left, self._end_if_idle)
        else:
            self.timeout_keep_alive_handler()

    def may_be_head(self) -> bool:
        return self._begins_with_head

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP."""
        self.logger.warning(msg)
        self.refuse(400)

    def _parse_without_upgrade(self) -> None:
        self._parse_again = False
        head = self._head()
        plain = self._head(without=b"upgrade")
        if plain == head:  # it would be parsed again without end
            raise RequestError(400, "an upgrade that has no single meaning")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser.feed_data(plain)

    def _head(self, without: bytes = b"") -> bytes:
        """Return the head that was parsed, `without` a token in its Connection headers."""
        version = self.parser.get_http_version().encode()
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        for name, value in self.headers:
            if name in (b"connection", b"proxy-connection"):  # llhttp reads both as Connection
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() != without)
            lines.append(name + b": " + value)
        return b"\r\n".join(lines) + b"\r\n\r\n"
