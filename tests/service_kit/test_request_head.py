import pytest

from service_kit.request_head import MAX_FIELDS, MAX_HEAD_BYTES, RequestError, body_length, end_of_head

HEAD = b"GET /a HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n"


def test_a_head_may_come_in_pieces() -> None:
    for at in range(1, len(HEAD)):
        assert end_of_head(HEAD[:at]) == -1
        assert end_of_head(HEAD + b"body", at) == len(HEAD)


@pytest.mark.parametrize(
    "start",
    [
        b"\x16\x03",
        b" ",
        b"GET /\xff",
        b"GET /\n",
        b"GET /a HTTP/1.1\rHost",
        b"GET /a\r\n",
        b"GET /a HTTP/1.1\r\nX: a\nY",
        b"GET /a HTTP/1.1\r\nX: a\r\n b",
        b"GET /a HTTP/1.1\r\nX: \0",
    ],
)
def test_a_beginning_that_nothing_makes_good_is_refused_at_once(start: bytes) -> None:
    with pytest.raises(RequestError) as error:
        end_of_head(start)
    assert error.value.status == 400


def test_only_what_is_new_is_searched() -> None:
    """A head that comes byte by byte is not searched anew with each, nor its line."""
    assert end_of_head(b"GET /\xffaa", len(b"GET /\xffa")) == -1
    assert end_of_head(b"GET /a HTTP/1.1\r\nX: \0aa", len(b"GET /a HTTP/1.1\r\nX: \0a")) == -1


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * MAX_HEAD_BYTES, 414),
        (b"G" * (MAX_HEAD_BYTES + 1), 431),
        (b"GET /a HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES, 431),
        (b"GET /a HTTP/1.1\r\n" + b"X: 1\r\n" * (MAX_FIELDS + 2), 431),
    ],
)
def test_a_head_has_bounds_whole_or_not(head: bytes, status: int) -> None:
    for end in (b"", b"\r\n\r\n"):
        with pytest.raises(RequestError) as error:
            end_of_head(head + end)
        assert error.value.status == status


def test_most_fields_pass() -> None:
    head = b"GET /a HTTP/1.1\r\n" + b"X: 1\r\n" * MAX_FIELDS + b"\r\n"
    assert end_of_head(head) == len(head)


def test_a_body_has_one_length() -> None:
    assert (body_length([], b"1"), body_length([b"5"], b"0"), body_length([b"Chunked "], b"1")) == (0, 5, None)
    for framing in ([b"5", b"5"], [b"5", b"chunked"], [b"gzip, chunked"], [b"-1"], [b"9" * 19]):
        with pytest.raises(RequestError):
            body_length(framing, b"1")
    with pytest.raises(RequestError):
        body_length([b"chunked"], b"0")


def test_a_coding_that_is_not_known_is_501() -> None:
    """Only where the end of the body is known: chunked is the last, once."""
    for framing, status in (([b"gzip, Chunked"], 501), ([b"gzip", b"chunked"], 501), ([b"chunked, gzip"], 400)):
        with pytest.raises(RequestError) as error:
            body_length(framing, b"1")
        assert error.value.status == status
