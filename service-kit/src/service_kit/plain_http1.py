"""uvicorn's HTTP/1.1 connection by httptools, for what that leaves out.

An Upgrade is ignored, as RFC 9110 section 7.8 allows: httptools takes what follows such a head for another protocol,
and uvicorn would lose the request's body. Trailers are dropped: httptools reports them as headers, and uvicorn would
add them to the request's (RFC 9110 section 6.5.1 forbids it). A head that never ends is refused.
"""

from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service_kit.ordered_refusal import MAX_UNPARSED_BYTES, OrderedRefusals, disconnect

MAX_URL_BYTES: Final = 65_535
"""httptools.parse_url takes no more."""


class PlainHttp1Protocol(OrderedRefusals, HttpToolsProtocol):
    """It parses a head with an Upgrade again, without "upgrade" in Connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parse_again = False
        self._unparsed_bytes = 0
        self._refused_data_has_head = False

    def data_received(self, data: bytes) -> None:
        if self.refusing:
            return
        self._unset_keepalive_if_required()
        self._unparsed_bytes += len(data)
        self.received_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._parse_again:
                self._parse_again = False
                self._parse_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refused_data_has_head = b"HEAD" in data
            self.send_400_response("Invalid HTTP request received.")
        if self._unparsed_bytes > MAX_UNPARSED_BYTES:
            self.refuse(431)

    def on_headers_complete(self) -> None:
        upgrade = self.parser.should_upgrade()
        connect = upgrade and self.parser.get_method() == b"CONNECT"
        self._parse_again = upgrade and not connect
        if self._parse_again:
            return
        self._unparsed_bytes = 0
        if len(self.url) > MAX_URL_BYTES:
            self.refuse(431)
            raise ValueError("httptools cannot split it")
        if connect or self.url[:1] != b"/" or b"#" in self.url:
            self.url = self.origin_form(self.url)
        if self.before_request is not None:
            self.before_request()
        super().on_headers_complete()
        if not self.pipeline:
            self.answering = self.cycle
        # trailers are reported as headers: they go where they are not read
        self.headers = []
        self.scope = {}  # type: ignore[typeddict-item]

    def origin_form(self, target: bytes) -> bytes:
        """Return the target of a CONNECT, or one that does not begin with a slash, as it is to be parsed.

        Raises ValueError: 400.
        """
        return target

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._parse_again:
            self._unparsed_bytes = 0
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the newest request only, and would begin those that wait
        if self.answering is not self.cycle and not self.answering.response_complete:
            disconnect(self.answering)
        self.pipeline.clear()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        following = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if following is not None:
            self.answering = following
        elif self.refusing:
            self.last_answer_sent()

    def may_be_head(self) -> bool:
        # the parser may still have the method of the request before: nothing else shows how far it came
        return self._refused_data_has_head or self.parser.get_method() == b"HEAD"

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP."""
        self.logger.warning(msg)
        self.refuse(400)

    def _parse_without_upgrade(self, rest: bytes) -> None:
        head = self._head()
        plain = self._head(without=b"upgrade")
        if plain == head:  # it would be parsed again without end
            self.send_400_response("Invalid HTTP request received.")
            return
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.received_bytes -= len(plain) + len(rest)  # counted already
        self.data_received(plain + rest)

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
