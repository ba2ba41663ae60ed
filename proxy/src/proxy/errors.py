"""The errors the proxy makes itself: a code, a status, a body. Never an upstream address or an exception's text."""

import json
from dataclasses import dataclass
from typing import Final

STATUS_BY_CODE: Final[dict[str, int]] = {
    "bad_request": 400,
    "not_found": 404,
    "expectation_failed": 417,
    "headers_too_large": 431,
    "upstream_connect_error": 502,
    "upstream_dns_error": 502,
    "upstream_closed": 502,
    "upstream_reset": 502,
    "upstream_protocol_error": 502,
    "pool_exhausted": 503,
    "upstream_connect_timeout": 504,
    "upstream_read_timeout": 504,
    "upstream_write_timeout": 504,
    "overloaded": 503,
    "total_timeout": 504,
    "loop_detected": 508,
    "http_version_not_supported": 505,
    "not_implemented": 501,
    "internal_error": 500,
    "tuned": 409,
    "upstream_goaway": 502,
    "caller_timeout": 408,
    "server_overloaded": 503,
    "proxy_descriptors": 503,
    "proxy_threads": 503,
    "proxy_ports": 503,
    "proxy_memory": 503,
    "target_too_long": 414,
}
"""Every code the proxy answers with, and its status (DESIGN: reliability notes, section 4)."""

_DETAIL: Final[dict[str, str]] = {
    "bad_request": "the request has no single meaning, or cannot be sent on as it is",
    "not_found": "the proxy has nothing there",
    "upstream_connect_error": "the upstream refused the connection or could not be reached",
    "upstream_dns_error": "the upstream's name could not be resolved",
    "upstream_closed": "the upstream closed the connection without an answer",
    "upstream_reset": "the upstream reset the connection",
    "upstream_protocol_error": "the upstream's answer is not valid HTTP",
    "pool_exhausted": "no connection of the pool became free in time",
    "upstream_connect_timeout": "connecting to the upstream took too long",
    "upstream_read_timeout": "the upstream sent nothing for too long",
    "upstream_write_timeout": "the upstream took no bytes for too long",
    "overloaded": "too many requests wait already",
    "total_timeout": "the request took longer than it may as a whole",
    "expectation_failed": "the only expectation met is 100-continue",
    "headers_too_large": "the request's headers are longer, or more, than the proxy takes",
    "loop_detected": "the request has come through this proxy before",
    "http_version_not_supported": "the answer is too long for an HTTP/1.0 caller, as its length is not known before",
    "not_implemented": "the proxy does not speak that protocol",
    "internal_error": "the proxy failed; its log has the reason",
    "tuned": "the proxy is tuned, so a calling pattern would not run as in everybody's app; set PROXY_TUNING=off or "
    "another PROXY_CLIENT and restart",
    "upstream_goaway": "the client library gave it up because the upstream ended its HTTP/2 connection (GOAWAY)",
    "caller_timeout": "the caller sent or read nothing for too long, or too slowly",
    "server_overloaded": "the server has as many connections or requests as it takes (UVICORN_LIMIT_CONCURRENCY)",
    "proxy_descriptors": "the proxy has no descriptor left for another connection or file (ulimit -n)",
    "proxy_threads": "the proxy could start no further thread",
    "proxy_ports": "the proxy's machine has no local port, or no address, left for a connection to the upstream",
    "proxy_memory": "the proxy's machine has no memory left for it",
    "target_too_long": "the request's target is longer than the proxy takes",
}

CODES: Final = tuple(STATUS_BY_CODE)
"""In the order of their counters."""

CHANGE_REFUSED: Final = "change_refused"
"""The code of a PUT to /-/config that changes nothing. It is not counted: no request is forwarded."""


@dataclass(eq=False)
class ProxyError(Exception):
    """An outcome that the proxy answers for. `detail` is for people and holds nothing secret."""

    code: str
    detail: str = ""

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS_BY_CODE[self.code]

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return self.detail or _DETAIL[self.code]

    def body(self, request_id: str) -> bytes:
        """Return the JSON document of this error for one request."""
        error = {"code": self.code, "status": self.status, "detail": self.explanation, "request_id": request_id}
        return json.dumps({"error": error}).encode()

    def headers(self, body: bytes) -> list[tuple[bytes, bytes]]:
        """Return the answer's headers; a full pool says when to come again."""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-proxy-error", self.code.encode()),
        ]
        if self.status == 503:
            headers.append((b"retry-after", b"1"))
        return headers
