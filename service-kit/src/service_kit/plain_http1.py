"""uvicorn's HTTP/1.1 protocol that ignores Upgrade, as RFC 9110 section 7.8 allows, and reads such a request's body.

httptools takes what follows a head with an Upgrade for another protocol, and uvicorn would lose the body of it.
"""

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PlainHttp1Protocol(HttpToolsProtocol):
    """It parses a head with an Upgrade again, without "upgrade" in Connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parse_again = False

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._parse_again:
                self._parse_again = False
                self._parse_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse()

    def on_headers_complete(self) -> None:
        self._parse_again = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if not self._parse_again:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._parse_again:
            super().on_message_complete()

    def _parse_without_upgrade(self, rest: bytes) -> None:
        head = self._head()
        plain = self._head(without=b"upgrade")
        if plain == head:  # it would be parsed again without end
            self._refuse()
            return
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
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

    def _refuse(self) -> None:
        message = "Invalid HTTP request received."
        self.logger.warning(message)
        self.send_400_response(message)
