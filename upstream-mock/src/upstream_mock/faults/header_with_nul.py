"""A zero byte in a header's value (RFC 9110, 5.5: refuse it, or make a space of it)."""

from upstream_mock.faults.runtime.raw import OK, RawAnswer


class HeaderWithNul(RawAnswer):
    """A good answer but for that byte."""

    answer = OK + b"x-fault: a\x00b\r\ncontent-length: 2\r\n\r\nok"
