import httptools

from service_kit.plain_http1 import METHODS


def test_httptools_knows_the_methods() -> None:
    """Those it does not know are given to it as GET: a CONNECT, or a HEAD, that went so would be another request."""
    for method in METHODS:
        httptools.HttpRequestParser(object()).feed_data(method + b" /")
    assert {b"CONNECT", b"HEAD", b"OPTIONS"} <= METHODS
