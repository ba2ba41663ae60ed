import pytest

from service_kit.chunked_body import ChunkedBody
from service_kit.request_head import RequestError

BODY = b'4;a="\\";"\r\nWiki\r\n000B ; b = c\r\npedia\r\n in \r\n0;last\r\nX-A: 1\r\nX-B:\r\n\r\n'
BEHIND = b"GET / HTTP/1.1\r\n"


def read(*pieces: bytes) -> tuple[bytes, bytes | None]:
    """Return the content of a body that comes in pieces, and what is behind it."""
    body = ChunkedBody()
    content, behind = b"", None
    for piece in pieces:
        assert behind is None
        more, behind = body.read(piece)
        content += more
    return content, behind


def test_a_body_ends_where_it_ends() -> None:
    assert read(BODY + BEHIND) == (b"Wikipedia\r\n in ", BEHIND)
    assert read(b"0\r\n\r\n") == (b"", b"")


def test_it_may_be_cut_anywhere() -> None:
    for at in range(len(BODY)):
        assert read(BODY[:at], BODY[at:] + BEHIND) == (b"Wikipedia\r\n in ", BEHIND), BODY[:at]
    assert read(*[BODY[at : at + 1] for at in range(len(BODY))]) == (b"Wikipedia\r\n in ", b"")


@pytest.mark.parametrize(
    "start",
    [
        b"\n",
        b"g",
        b"5;a\0",
        b"5;\x7f",
        b"5\r5",
        b"-",
        b"5;" + b"a" * 5000,
        b"0" * 5000,
        b"0\r\nX: a\nY",
        b"0\r\n\nX",
    ],
)
def test_what_cannot_become_a_body_is_refused_before_its_line_ends(start: bytes) -> None:
    with pytest.raises(RequestError):
        read(start)


def test_a_size_has_sixty_bits() -> None:
    """So that no sum of sizes overflows elsewhere, and int() reads no more digits."""
    assert read(b"fffffffffffffff\r\nx") == (b"x", None)
    with pytest.raises(RequestError):
        read(b"1000000000000000\r\nx")
