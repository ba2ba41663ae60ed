"""A status that HTTP does not have (RFC 9110, 15: 100 to 599; some sites send it to those they take for robots)."""

from upstream_mock.faults.runtime.raw import RawAnswer


class Status999(RawAnswer):
    """999, and a good answer otherwise."""

    answer = b"HTTP/1.1 999 Request denied\r\ncontent-length: 2\r\n\r\nno"
