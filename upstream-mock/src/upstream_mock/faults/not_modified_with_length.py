"""304 that says how long the body would be (RFC 9110, 8.6 allows it): who waits for that body waits for ever."""

from upstream_mock.faults.runtime.raw import RawAnswer


class NotModifiedWithLength(RawAnswer):
    """304 with Content-Length and no body. The connection is kept, since the answer is right."""

    answer = b'HTTP/1.1 304 Not Modified\r\netag: "one"\r\ncontent-length: 120\r\n\r\n'
    close = False
