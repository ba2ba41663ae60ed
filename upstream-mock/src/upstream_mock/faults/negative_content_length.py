"""A Content-Length below zero."""

from upstream_mock.faults.runtime.raw import OK, RawAnswer


class NegativeContentLength(RawAnswer):
    """Minus two, and two bytes."""

    answer = OK + b"content-length: -2\r\n\r\nok"
