"""Two ways at once to say where the body ends (RFC 9112, 6.3: an attempt at smuggling, or a mistake)."""

from upstream_mock.faults.runtime.raw import OK, RawAnswer


class ContentLengthAndChunked(RawAnswer):
    """Content-Length and Transfer-Encoding that disagree, and chunks."""

    answer = OK + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n9\r\nnine byte\r\n0\r\n\r\n"
