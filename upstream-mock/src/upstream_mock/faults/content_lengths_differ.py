"""Two Content-Lengths that differ (RFC 9112, 6.3: the answer must be thrown away)."""

from upstream_mock.faults.runtime.raw import OK, RawAnswer


class ContentLengthsDiffer(RawAnswer):
    """Two lengths, and a body of the first."""

    answer = OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok"
