from typing import Any

import pytest

from proxy.clients.interface import Outbound
from proxy.errors import ProxyError
from proxy.forward.headers import Destination, answer_headers, fields_of, is_own, outbound


def scope(*headers: tuple[bytes, bytes], host: bytes | None = b"caller.test", **other: Any) -> dict[str, Any]:
    named = [(b"host", host)] if host is not None else []
    base = {
        "method": "GET",
        "raw_path": b"/",
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "client": ("10.1.2.3", 5555),
        "headers": [*named, *headers],
    }
    return base | other


def outbound_of(asked: dict[str, Any], **others: Any) -> Outbound:
    return outbound(asked, fields_of(asked["headers"]), Destination(**others))


def sent(*headers: tuple[bytes, bytes], **other: Any) -> list[tuple[bytes, bytes]]:
    return outbound_of(scope(*headers, **other), authority=b"up:8001").headers


def answered(status: int, upstream: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    headers = answer_headers(status, upstream, b"now")
    assert headers[-1] == (b"date", b"now")
    return headers[:-1]


@pytest.mark.parametrize(
    ("path", "query", "target"),
    [
        (b"/a%2Fb//c/./..;x=1", b"", b"/a%2Fb//c/./..;x=1"),
        (b"/", b"a=1&a=2;b=%zz", b"/?a=1&a=2;b=%zz"),
        (b"/%00%ff", b"q", b"/%00%ff?q"),
    ],
)
def test_the_target_goes_byte_for_byte(path: bytes, query: bytes, target: bytes) -> None:
    """Nothing is decoded, sorted or normalised."""
    assert outbound_of(scope(raw_path=path, query_string=query), authority=b"up").target == target


def test_a_base_path_stands_before_every_path() -> None:
    """PROXY_UPSTREAM_URL may have one."""
    assert outbound_of(scope(raw_path=b"/x"), authority=b"up", base_path=b"/api").target == b"/api/x"


def test_hop_by_hop_headers_stay_behind() -> None:
    """The fixed ones and those that Connection names, in any case and with empty tokens."""
    headers = sent(
        (b"connection", b"close, X-Mine,, "),
        (b"connection", b"x-too"),
        (b"x-mine", b"1"),
        (b"x-too", b"1"),
        (b"keep-alive", b"5"),
        (b"te", b"trailers"),
        (b"upgrade", b"h2c"),
        (b"x-stays", b"1"),
    )
    assert [name for name, _ in headers] == [
        b"host",
        b"x-stays",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"via",
    ]


def test_connection_cannot_remove_the_framing() -> None:
    """Content-Length survives being named."""
    assert (b"content-length", b"3") in sent((b"connection", b"content-length, host"), (b"content-length", b"3"))


def test_duplicates_keep_their_order_and_nothing_is_invented() -> None:
    """No User-Agent, Accept or Accept-Encoding that the caller did not send."""
    headers = sent((b"x", b"2"), (b"cookie", b"a=1"), (b"x", b"1"))
    assert headers[1:4] == [(b"x", b"2"), (b"cookie", b"a=1"), (b"x", b"1")]
    assert not {b"user-agent", b"accept", b"accept-encoding"} & {name for name, _ in headers}


def test_where_a_request_came_from_is_not_the_callers_to_say() -> None:
    """X-Forwarded-* of the caller are replaced, and Host is the upstream's."""
    headers = dict(sent((b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-host", b"evil")))
    assert headers[b"x-forwarded-for"] == b"10.1.2.3"
    assert headers[b"x-forwarded-host"] == b"caller.test"
    assert headers[b"host"] == b"up:8001"


@pytest.mark.parametrize("host", [None, b"", b"a b", b"a,b", b"a/b", b"a@b", b"a:port"])
def test_a_request_needs_one_valid_host(host: bytes | None) -> None:
    """Anything else has no single meaning: 400."""
    with pytest.raises(ProxyError) as error:
        outbound_of(scope(host=host), authority=b"up")
    assert error.value.status == 400


def test_two_hosts_are_refused_and_none_is_fine_for_http_1_0() -> None:
    """RFC 9112 section 3.2."""
    with pytest.raises(ProxyError):
        outbound_of(scope((b"host", b"other")), authority=b"up")
    assert outbound_of(scope(host=None, http_version="1.0"), authority=b"up").method == "GET"


def test_a_body_follows_only_if_the_caller_declared_one() -> None:
    """A GET stays without."""
    assert not outbound_of(scope(), authority=b"up").has_body
    empty = outbound_of(scope((b"content-length", b"0")), authority=b"up")
    assert not empty.has_body  # declared, and known to be empty
    assert (b"content-length", b"0") in empty.headers
    assert outbound_of(scope((b"content-length", b"1")), authority=b"up").has_body
    chunked = outbound_of(scope((b"transfer-encoding", b"chunked")), authority=b"up")
    assert chunked.has_body
    assert chunked.headers.count((b"transfer-encoding", b"chunked")) == 1


@pytest.mark.parametrize("path", [b"/-/pool", b"/-/", b"/-/../x"])
def test_own_paths_are_taken_as_written(path: bytes) -> None:
    """They begin with /-/."""
    assert is_own(path)


@pytest.mark.parametrize("path", [b"/%2d/pool", b"/-%2Fpool", b"//-/pool", b"/x/../-/pool", b"/./-/", b"/\\-/pool"])
def test_what_only_becomes_an_own_path_is_404(path: bytes) -> None:
    """Neither forwarded nor answered."""
    with pytest.raises(ProxyError) as error:
        is_own(path)
    assert error.value.status == 404


@pytest.mark.parametrize("path", [b"/", b"/-", b"/a/-/b", b"/--/x", b"/-x/y", b"*"])
def test_everything_else_is_forwarded(path: bytes) -> None:
    """Also what looks a little like it."""
    assert not is_own(path)


def test_answer_headers_keep_duplicates_and_lose_hops() -> None:
    """Set-Cookie above all."""
    upstream = [
        (b"Set-Cookie", b"a=1"),
        (b"Connection", b"close, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Set-Cookie", b"b=2"),
        (b"Content-Length", b"5"),
    ]
    assert answered(200, upstream) == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"5"),
    ]


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_body_has_no_length(status: int) -> None:
    """uvicorn would wait for the bytes and cut the connection."""
    assert answered(status, [(b"content-length", b"5"), (b"etag", b"x")]) == [(b"etag", b"x")]


@pytest.mark.parametrize(
    "upstream",
    [
        [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"3"), (b"content-length", b"4")],
        [(b"content-length", b"3, 4")],
        [(b"content-length", b"-3")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"x", b"a\r\nset-cookie: b")],
        [(b"x", b"a\0b")],
        [(b"x y", b"a")],
        [(b"", b"a")],
        [(b"x", b"a" * 66_000)],
    ],
)
def test_an_answer_with_two_meanings_or_none_is_502(upstream: list[tuple[bytes, bytes]]) -> None:
    """RFC 9112 section 6.3: a reader behind the proxy might believe the other one."""
    with pytest.raises(ProxyError) as error:
        answered(200, upstream)
    assert error.value.code == "upstream_protocol_error"


def test_equal_lengths_are_one_and_latin_1_is_no_fault() -> None:
    """RFC 9110 section 8.6."""
    assert answered(200, [(b"content-length", b"3, 3"), (b"content-length", b"3")]) == [(b"content-length", b"3")]
    assert answered(200, [(b"x", b"caf\xe9\t")]) == [(b"x", b"caf\xe9\t")]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"3"), (b"content-length", b"3")],
        [(b"content-length", b"+3")],
        [(b"content-length", b"9" * 20)],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked"), (b"content-length", b"3")],
    ],
)
def test_a_request_with_two_meanings_is_400(headers: list[tuple[bytes, bytes]]) -> None:
    """Where its body ends must be beyond doubt."""
    with pytest.raises(ProxyError) as error:
        sent(*headers)
    assert error.value.status == 400


def test_underscores_spell_no_special_header() -> None:
    """Some servers read Content_Length as Content-Length; other names keep their underscores."""
    headers = dict(sent((b"content_length", b"9"), (b"x_forwarded_for", b"6.6.6.6"), (b"my_own", b"1")))
    assert b"my_own" in headers
    assert not {b"content_length", b"x_forwarded_for"} & set(headers)


def test_via_is_added_once_and_a_loop_is_508() -> None:
    """RFC 9110 section 7.6.3."""
    through = outbound_of(scope((b"via", b"1.0 other")), authority=b"up", pseudonym=b"me").headers
    assert [value for name, value in through if name == b"via"] == [b"1.0 other", b"1.1 me"]
    with pytest.raises(ProxyError) as error:
        outbound_of(scope((b"via", b"1.0 other, 1.1 me")), authority=b"up", pseudonym=b"me")
    assert error.value.status == 508


@pytest.mark.parametrize("raw_path", [b"*", b"x"])
def test_a_target_that_begins_otherwise_is_refused(raw_path: bytes) -> None:
    with pytest.raises(ProxyError) as error:
        outbound_of(scope(raw_path=raw_path), authority=b"up")
    assert error.value.status == 400


def test_the_asterisk_is_for_options() -> None:
    """It stands for the server, so no base path goes before it."""
    assert outbound_of(scope(method="OPTIONS", raw_path=b"*"), authority=b"up", base_path=b"/api").target == b"*"


def test_an_expectation_that_is_not_met_is_417() -> None:
    """There is only the one for 100 Continue."""
    with pytest.raises(ProxyError) as error:
        sent((b"expect", b"teapot"), (b"content-length", b"1"))
    assert error.value.status == 417


@pytest.mark.parametrize("status", [99, 101, 600, 999])
def test_a_status_that_is_not_final_is_502(status: int) -> None:
    """No server may send it as an answer."""
    with pytest.raises(ProxyError) as error:
        answered(status, [])
    assert error.value.status == 502
