"""A header line that is none: a space in its name, and no colon."""

from upstream_mock.faults.runtime.raw import OK, RawAnswer


class BadHeader(RawAnswer):
    """A good answer but for that line."""

    answer = OK + b"this is no header\r\ncontent-length: 2\r\n\r\nok"
