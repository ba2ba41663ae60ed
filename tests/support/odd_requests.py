"""Requests that look odd and are valid, and requests that are not, each with its answer. From RFC 9112 and RFC 9110.

Many are what llhttp, h11, nginx, Go's net/http and the HTTP Garden try on their own parsers.
"""

from dataclasses import dataclass
from typing import Final

from service_kit.request_head import MAX_FIELDS, MAX_HEAD_BYTES

HOST: Final = b"Host: a\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
HELLO: Final = b"5\r\nhello\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Valid:
    """A request, and what arrives behind a proxy: the method, the body, some fields."""

    raw: bytes
    method: bytes = b"GET"
    body: bytes = b""
    fields: tuple[tuple[str, bytes], ...] = ()


def line(text: bytes) -> bytes:
    """Return a request with this line."""
    return text + b"\r\n" + HOST + b"\r\n"


def fields(text: bytes, version: bytes = b"1.1") -> bytes:
    """Return a request without a body, with these fields."""
    return b"GET /odd HTTP/" + version + b"\r\n" + HOST + text + b"\r\n"


def with_host(text: bytes) -> bytes:
    return b"GET /odd HTTP/1.1\r\n" + text + b"\r\n"


def post(text: bytes, body: bytes, version: bytes = b"1.1") -> bytes:
    """Return a request with these fields and this body."""
    return b"POST /odd HTTP/" + version + b"\r\n" + HOST + text + b"\r\n" + body


def chunks(body: bytes) -> bytes:
    """Return a request with this chunked body."""
    return post(CHUNKED, body)


def _hello(raw: bytes) -> Valid:
    return Valid(raw, b"POST", b"hello")


VALID: Final[dict[str, Valid]] = {
    "an empty line in front": Valid(b"\r\n" + line(b"GET /odd HTTP/1.1")),
    "more of them": Valid(b"\r\n" * 5 + line(b"GET /odd HTTP/1.1")),
    "HTTP/1.2 is 1.1 to who does not know it": Valid(line(b"GET /odd HTTP/1.2")),
    "HTTP/1.9": _hello(b"POST /odd HTTP/1.9\r\n" + HOST + CHUNKED + b"\r\n" + HELLO),
    "a method that is not registered": Valid(line(b"FROBNICATE /odd HTTP/1.1"), b"FROBNICATE"),
    "such a method with a body": Valid(b"X-Y /odd HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nab", b"X-Y", b"ab"),
    "a method with a hyphen": Valid(line(b"M-SEARCH /odd HTTP/1.1"), b"M-SEARCH"),
    "every token character in a method": Valid(line(b"A!#$%&'*+-.^_`|~9 /odd HTTP/1.1"), b"A!#$%&'*+-.^_`|~9"),
    "a length that Connection names": _hello(post(b"Connection: content-length\r\nContent-Length: 5\r\n", b"hello")),
    "a coding that Connection names": _hello(post(b"Connection: transfer-encoding\r\n" + CHUNKED, HELLO)),
    "a length with an underscore": Valid(post(b"Content_Length: 5\r\n", b""), b"POST"),
    "thousands of empty lines": Valid(b"\r\n" * 30_000 + line(b"GET /odd HTTP/1.1")),
    "an absolute target": Valid(line(b"GET http://a:80/odd HTTP/1.1")),
    "no space behind a colon": Valid(with_host(b"Host:a\r\n")),
    "spaces around a host": Valid(with_host(b"Host: \t a \t \r\n")),
    "a host with a port": Valid(with_host(b"Host: a:8080\r\n")),
    "zeros before a port": Valid(with_host(b"Host: a:" + b"0" * 40 + b"8080\r\n")),
    "the last port": Valid(with_host(b"Host: a:65535\r\n")),
    "a port of zeros": Valid(with_host(b"Host: a:000000\r\n")),
    "zeros before the port of an absolute target": Valid(line(b"GET http://a:0000000080/odd HTTP/1.1")),
    "a host with an empty port": Valid(with_host(b"Host: a:\r\n")),
    "an IPv6 host": Valid(with_host(b"Host: [2001:db8::1]:80\r\n")),
    "an address of the future": Valid(with_host(b"Host: [v1.a:b]\r\n")),
    "every character of a host": Valid(with_host(b"Host: aA0-._~%41!$&'()*+;=\r\n")),
    "a field that is not there": Valid(fields(b"X-Empty:\r\n"), fields=(("x-empty", b""),)),
    "a field of spaces": Valid(fields(b"X-Empty: \t \r\n"), fields=(("x-empty", b""),)),
    "spaces around a value, and tabs in it": Valid(fields(b"X-A:\t a\t b \t\r\n"), fields=(("x-a", b"a\t b"),)),
    "every token character in a name": Valid(fields(b"!#$%&'*+-.^_`|~9: 1\r\n"), fields=(("!#$%&'*+-.^_`|~9", b"1"),)),
    "bytes that are UTF-8": Valid(fields("X-A: ä\r\n".encode()), fields=(("x-a", "ä".encode()),)),
    "many fields": Valid(fields(b"".join(b"X-%d: 1\r\n" % number for number in range(400)))),
    "a long head": Valid(fields(b"X-A: " + b"a" * 60_000 + b"\r\n")),
    "Connection with empty tokens": Valid(fields(b"Connection: ,, ,\r\n")),
    "a length of upper case": _hello(post(b"CONTENT-LENGTH: 5\r\n", b"hello")),
    "spaces around a length": _hello(post(b"Content-Length:\t 5 \t\r\n", b"hello")),
    "zeros before a length": Valid(
        post(b"Content-Length: 000000000005\r\n", b"hello"), b"POST", b"hello", (("content-length", b"5"),)
    ),
    "more zeros than h11 takes": _hello(post(b"Content-Length: \t" + b"0" * 30 + b"5\r\n", b"hello")),
    "more zeros than an int takes": _hello(post(b"content-length:" + b"0" * 9000 + b"5 \r\n", b"hello")),
    "a length of zeros": Valid(post(b"Content-Length: " + b"0" * 25 + b"\r\n", b""), b"POST"),
    "a body of GET": Valid(fields(b"Content-Length: 5\r\n") + b"hello", body=b"hello"),
    "a length of 0": Valid(post(b"Content-Length: 0\r\n", b""), b"POST"),
    "no length": Valid(post(b"", b""), b"POST"),
    "Chunked": _hello(post(b"TRANSFER-ENCODING: CHUNKED\r\n", HELLO)),
    "spaces around chunked": _hello(post(b"Transfer-Encoding:\tchunked \t\r\n", HELLO)),
    "an empty chunked body": Valid(chunks(b"0\r\n\r\n"), b"POST"),
    "a chunked body of DELETE": Valid(
        b"DELETE /odd HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n" + HELLO, b"DELETE", b"hello"
    ),
    "a size of upper case": Valid(chunks(b"A\r\n0123456789\r\n0\r\n\r\n"), b"POST", b"0123456789"),
    "a size of lower case": Valid(chunks(b"a\r\n0123456789\r\n0\r\n\r\n"), b"POST", b"0123456789"),
    "zeros before a size": _hello(chunks(b"0" * 40 + b"5\r\nhello\r\n000\r\n\r\n")),
    "several chunks": _hello(chunks(b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n")),
    "an extension": _hello(chunks(b"5;a\r\nhello\r\n0;b=c;d\r\n\r\n")),
    "spaces in an extension": _hello(chunks(b"5 ; a = b\t;c\r\nhello\r\n0\r\n\r\n")),
    "a quoted extension": _hello(chunks(b'5;a=";,\\"\t\xe4";b=""\r\nhello\r\n0\r\n\r\n')),
    "a long extension": _hello(chunks(b"5;" + b"a" * 4000 + b"\r\nhello\r\n0\r\n\r\n")),
    "trailers": _hello(chunks(b"5\r\nhello\r\n0\r\nX-A: 1\r\nX-B:\r\n\r\n")),
    "100-continue with spaces": _hello(post(b"Expect:  100-Continue \t\r\nContent-Length: 5\r\n", b"hello")),
    "100-continue twice": _hello(post(b"Expect: 100-continue\r\n" * 2 + b"Content-Length: 5\r\n", b"hello")),
    "100-continue as a list": _hello(post(b"Expect: 100-continue, , 100-Continue\r\nContent-Length: 5\r\n", b"hello")),
    "100-continue without a body": Valid(fields(b"Expect: 100-continue\r\n")),
    "an upgrade with spaces": _hello(
        post(b"Connection: Upgrade \r\nUpgrade: h2c \r\nContent-Length: 5 \r\n", b"hello"),
    ),
    "an upgrade with chunks": _hello(
        post(b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + CHUNKED, b"5 ;a\r\nhello\r\n0\r\n\r\n")
    ),
    "an upgrade of another method": Valid(
        b"FROB /odd HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", b"FROB"
    ),
}
"""What is answered, and its connection goes on."""

OLD: Final[dict[str, Valid]] = {
    "no host": Valid(b"GET /odd HTTP/1.0\r\n\r\n"),
    "100-continue": Valid(post(b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"ab", b"1.0"), b"POST", b"ab"),
    "one that is to be kept, and another": Valid(fields(b"Connection: keep-alive\r\n", b"1.0") * 2),
    "an upgrade": Valid(fields(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n", b"1.0")),
}
"""The same of HTTP/1.0, whose connection ends."""

_LINES: Final[dict[str, bytes]] = {
    "two spaces": b"GET  /odd HTTP/1.1",
    "two spaces before the version": b"GET /odd  HTTP/1.1",
    "tabs": b"GET\t/odd\tHTTP/1.1",
    "a space behind": b"GET /odd HTTP/1.1 ",
    "a space before": b" GET /odd HTTP/1.1",
    "a tab before": b"\tGET /odd HTTP/1.1",
    "a line feed before": b"\nGET /odd HTTP/1.1",
    "a carriage return before": b"\rGET /odd HTTP/1.1",
    "a carriage return behind": b"GET /odd HTTP/1.1\r",
    "no version": b"GET /odd",
    "no target": b"GET HTTP/1.1",
    "an empty target": b"GET  HTTP/1.1",
    "a version of lower case": b"GET /odd http/1.1",
    "RTSP": b"GET /odd RTSP/1.0",
    "a method of RTSP": b"DESCRIBE /odd RTSP/1.0",
    "ICE": b"SOURCE /odd ICE/1.0",
    "HTTPS": b"GET /odd HTTPS/1.1",
    "a version without a point": b"GET /odd HTTP/11",
    "a version without a minor": b"GET /odd HTTP/1.",
    "a minor of two digits": b"GET /odd HTTP/1.10",
    "a major of two digits": b"GET /odd HTTP/01.1",
    "HTTP/0.9": b"GET /odd HTTP/0.9",
    "a version that there is not": b"GET /odd HTTP/9.9",
    "a comma in the version": b"GET /odd HTTP/1,1",
    "a space in the version": b"GET /odd HTTP/ 1.1",
    "a space in the target": b"GET /o dd HTTP/1.1",
    "a tab in the target": b"GET /o\tdd HTTP/1.1",
    "NUL in the target": b"GET /o\0dd HTTP/1.1",
    "DEL in the target": b"GET /o\x7fdd HTTP/1.1",
    "what is not ASCII in the target": b"GET /\xc3\xa4 HTTP/1.1",
    "a fragment": b"GET /odd#a HTTP/1.1",
    "a relative target": b"GET odd HTTP/1.1",
    "an authority as target": b"GET a:80 HTTP/1.1",
    "an asterisk": b"GET * HTTP/1.1",
    "CONNECT": b"CONNECT a:80 HTTP/1.1",
    "a separator in the method": b"GE:T /odd HTTP/1.1",
    "what is not ASCII in the method": b"G\xc3\xa4T /odd HTTP/1.1",
    "an answer": b"HTTP/1.1 200 OK",
}
_FIELDS: Final[dict[str, bytes]] = {
    "a folded value": b"X-A: 1\r\n 2\r\n",
    "a value folded by a tab": b"X-A: 1\r\n\t2\r\n",
    "a line of spaces": b"X-A: 1\r\n \r\n",
    "a space before a colon": b"X-A : 1\r\n",
    "a tab before a colon": b"X-A\t: 1\r\n",
    "a space before a name": b" X-A: 1\r\n",
    "no colon": b"X-A\r\n",
    "no name": b": 1\r\n",
    "a separator in a name": b"X[A]: 1\r\n",
    "a quote in a name": b'"X": 1\r\n',
    "NUL in a name": b"X\0A: 1\r\n",
    "what is not ASCII in a name": b"X-\xc3\xa4: 1\r\n",
    "NUL in a value": b"X-A: a\0b\r\n",
    "a carriage return in a value": b"X-A: a\rb\r\n",
    "two carriage returns": b"X-A: a\r\r\n",
    "a line feed in a value": b"X-A: a\nX-B: b\r\n",
    "a vertical tab in a value": b"X-A: a\x0bb\r\n",
    "a form feed in a value": b"X-A: a\x0cb\r\n",
    "DEL in a value": b"X-A: a\x7f\r\n",
    "a second host": HOST,
    "another host": b"Host: b\r\n",
}
_HOSTS: Final[dict[str, bytes]] = {
    "none": b"",
    "an empty one": b"Host:\r\n",
    "a user": b"Host: u@a\r\n",
    "a path": b"Host: a/b\r\n",
    "a query": b"Host: a?b\r\n",
    "a list": b"Host: a, b\r\n",
    "a space": b"Host: a b\r\n",
    "a quote": b'Host: "a"\r\n',
    "a port of letters": b"Host: a:b\r\n",
    "two ports": b"Host: a:80:80\r\n",
    "a port beyond all": b"Host: a:123456\r\n",
    "the first port that there is not": b"Host: a:65536\r\n",
    "zeros before such a port": b"Host: a:00070000\r\n",
    "a broken escape": b"Host: a%zz\r\n",
    "half a bracket": b"Host: [::1\r\n",
    "an empty bracket": b"Host: []\r\n",
    "a zone": b"Host: [::1%25eth0]\r\n",
    "words behind a bracket": b"Host: [::1]a\r\n",
    "a sign before the port": b"Host: a:+80\r\n",
    "a backslash": b"Host: a\\b\r\n",
    "what is not ASCII": b"Host: \xc3\xa4\r\n",
    "a space before the colon": b"Host : a\r\n",
}
_LENGTHS: Final[dict[str, bytes]] = {
    "a sign": b"+5",
    "a minus": b"-5",
    "hexadecimal": b"0x5",
    "an empty one": b"",
    "two words": b"5 5",
    "a list": b"5, 5",
    "a fraction": b"5.0",
    "an exponent": b"5e0",
    "an underscore": b"0_5",
    "a parameter": b"5;",
    "NUL": b"5\0",
    "a vertical tab": b"\x0b5",
    "Arabic digits": "٥".encode(),
    "2**64 and 5": b"18446744073709551621",
    "19 digits": b"1000000000000000005",
    "zeros before 19 digits": b"0001000000000000000005",
    "two equal": b"5\r\nContent-Length: 5",
    "two": b"5\r\nContent-Length: 6",
    "folded": b"\r\n 5",
}
_CODINGS: Final[dict[str, bytes]] = {
    "identity": b"identity",
    "gzip": b"gzip",
    "chunked before gzip": b"chunked, gzip",
    "chunked on both sides": b"chunked, gzip, chunked",
    "chunked with a parameter before": b"chunked;a=b, chunked",
    "a number before chunked": b"5, chunked",
    "chunked twice": b"chunked, chunked",
    "two lines": b"chunked\r\nTransfer-Encoding: chunked",
    "a comma behind": b"chunked,",
    "a comma before": b",chunked",
    "quotes": b'"chunked"',
    "a parameter": b"chunked;q=1",
    "a vertical tab": b"\x0bchunked",
    "NUL": b"chunked\0",
    "what is not ASCII": b"\xa0chunked",
    "another word": b"xchunked",
    "an empty one": b"",
    "folded": b"\r\n chunked",
    "an empty member": b"gzip,,chunked",
    "a length, too": b"chunked\r\nContent-Length: 5",
    "a length before": b"gzip, chunked\r\nContent-Length: 5",
}
_UNKNOWN_CODINGS: Final[dict[str, bytes]] = {
    "gzip": b"gzip, chunked",
    "several": b"deflate ,\txchunked,Chunked",
    "parameters": b'x;a=b ; c="d, e", chunked',
    "a line of its own": b"gzip\r\nTransfer-Encoding: chunked",
}
_CHUNKS: Final[dict[str, bytes]] = {
    "a minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "a space before": b" 5\r\nhello\r\n0\r\n\r\n",
    "a space behind": b"5 \r\nhello\r\n0\r\n\r\n",
    "a tab behind": b"5\t\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "only an extension": b";a\r\nhello\r\n0\r\n\r\n",
    "2**64 - 1": b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "17 digits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "2**63": b"8000000000000000\r\nhello\r\n0\r\n\r\n",
    "an extension without a name": b"5;\r\nhello\r\n0\r\n\r\n",
    "an extension without a value": b"5;a=\r\nhello\r\n0\r\n\r\n",
    "an extension of two words": b"5;a b\r\nhello\r\n0\r\n\r\n",
    "an open quote": b'5;a="b\r\nhello\r\n0\r\n\r\n',
    "a line end in quotes": b'5;a="\r\nhello\r\n0\r\n\r\n"\r\n',
    "NUL in an extension": b"5;a\0b\r\nhello\r\n0\r\n\r\n",
    "a control character in an extension": b"5;a\x01b\r\nhello\r\n0\r\n\r\n",
    "a carriage return in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "a line feed in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "an extension that does not end": b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "a line feed behind the size": b"5\nhello\r\n0\r\n\r\n",
    "a carriage return behind the size": b"5\rhello\r\n0\r\n\r\n",
    "two carriage returns": b"5\r\r\nhello\r\n0\r\n\r\n",
    "a line feed behind the content": b"5\r\nhello\n0\r\n\r\n",
    "nothing behind the content": b"5\r\nhello0\r\n\r\n",
    "more content than its size": b"5\r\nhelloXX\r\n0\r\n\r\n",
    "a line feed for an end": b"5\r\nhello\r\n0\r\n\n",
    "a carriage return before the end": b"5\r\nhello\r\n0\r\n\r\r\n",
    "a trailer without a colon": b"5\r\nhello\r\n0\r\nX-A\r\n\r\n",
    "a trailer with a space before its colon": b"5\r\nhello\r\n0\r\nX-A : 1\r\n\r\n",
    "a folded trailer": b"5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n",
    "a space before a trailer": b"5\r\nhello\r\n0\r\n X-A: 1\r\n\r\n",
    "a line feed in trailers": b"5\r\nhello\r\n0\r\nX-A: 1\n\r\n",
    "NUL in a trailer": b"5\r\nhello\r\n0\r\nX-A: a\0b\r\n\r\n",
    "a length as trailer": b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
}
_MANY: Final = b"X-A: 1\r\n" * (MAX_FIELDS + 2)
_LONG: Final = b"X-A: " + b"a" * MAX_HEAD_BYTES + b"\r\n"

REFUSED: Final[dict[str, tuple[int, bytes]]] = {
    **{f"line: {name}": (400, line(text)) for name, text in _LINES.items()},
    **{
        f"version: {version.decode()}": (505, line(b"GET /odd HTTP/" + version)) for version in (b"2.0", b"2.1", b"3.0")
    },
    "line: HTTP/0.9 has no more": (400, b"GET /odd\r\n"),
    "line: HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "line: a line feed for its end": (400, b"GET /odd HTTP/1.1\n" + HOST + b"\n"),
    "line: a carriage return for its end": (400, b"GET /odd HTTP/1.1\r" + HOST + b"\r\n"),
    "line: TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)),
    "line: too long a method": (431, line(b"A" * MAX_HEAD_BYTES + b" /odd HTTP/1.1")),
    "line: too long": (414, line(b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1")),
    **{f"field: {name}": (400, fields(text)) for name, text in _FIELDS.items()},
    "field: a space before the first": (400, with_host(b" Host: a\r\n")),
    "field: too many": (431, fields(_MANY)),
    "field: too long": (431, fields(_LONG)),
    "field: a name too long": (431, fields(b"X" * MAX_HEAD_BYTES + b": a\r\n")),
    **{f"host: {name}": (400, with_host(text)) for name, text in _HOSTS.items()},
    "host: two of HTTP/1.0": (400, fields(HOST, b"1.0")),
    **{
        f"length: {name}": (400, post(b"Content-Length: " + text + b"\r\n", b"hello"))
        for name, text in _LENGTHS.items()
    },
    **{
        f"coding: {name}": (400, post(b"Transfer-Encoding: " + text + b"\r\n", HELLO))
        for name, text in _CODINGS.items()
    },
    **{
        f"unknown coding: {name}": (501, post(b"Transfer-Encoding: " + text + b"\r\n", HELLO))
        for name, text in _UNKNOWN_CODINGS.items()
    },
    "coding: gzip, chunked of HTTP/1.0": (400, post(b"Transfer-Encoding: gzip, chunked\r\n", HELLO, b"1.0")),
    "coding: a space before the colon": (400, post(b"Transfer-Encoding : chunked\r\n", HELLO)),
    "coding: chunked of HTTP/1.0": (400, post(CHUNKED, HELLO, b"1.0")),
    **{f"chunk: {name}": (400, chunks(body)) for name, body in _CHUNKS.items()},
    "chunk: too many trailers": (431, chunks(b"0\r\n" + _MANY + b"\r\n")),
    "chunk: too long a trailer": (431, chunks(b"0\r\n" + _LONG + b"\r\n")),
    "expect: another": (417, post(b"Expect: 200-ok\r\nContent-Length: 5\r\n", b"hello")),
    "expect: a list": (417, post(b"Expect: 100-continue, x\r\nContent-Length: 5\r\n", b"hello")),
    "expect: another of a second line": (
        417,
        post(b"Expect: 100-continue\r\nExpect: x\r\nContent-Length: 5\r\n", b"hello"),
    ),
}
"""The status, and the bytes: one answer, and nothing behind it is read."""
