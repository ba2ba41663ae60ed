"""What a request's head has to be before a parser reads it: one set of pure rules for both of uvicorn's parsers.

httptools takes RTSP/1.0 for a version, spaces in a row and a line feed in front; h11 takes bare line feeds, folded
lines, control characters and two lengths. Sources: RFC 9112 sections 2.2, 3, 5 and 6; RFC 9110 sections 2.5, 7.2 and
10.1.1.
"""

import re
from collections.abc import Sequence
from typing import Final

MAX_HEAD_BYTES: Final = 65_536
"""A request line and its fields, with their line ends; also a trailer section."""

MAX_FIELDS: Final = 500
"""Lines of a head, or of a trailer section. So many cost 3 to 6 ms of CPU on their way, twice as many 15 (httpx)."""

END: Final = b"\r\n\r\n"
TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LITERAL: Final = rb"\[(?:[0-9A-Fa-f:.]+|v[0-9A-Fa-f]+\.[0-9A-Za-z._~!$&'()*+,;=:-]+)\]"
_NAME: Final = rb"(?:[0-9A-Za-z._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+"
_PORT: Final = rb":0*(?:[0-9]{0,4}|[1-5][0-9]{4}|6(?:[0-4][0-9]{3}|5(?:[0-4][0-9]{2}|5(?:[0-2][0-9]|3[0-5]))))"
HOST: Final = re.compile(rb"(?:" + _LITERAL + rb"|" + _NAME + rb")(?:" + _PORT + rb")?")
"""RFC 3986 sections 3.2.2 and 3.2.3, without the comma, which may be a list of two; a port is at most 65535."""

LINE: Final = re.compile(rb"(" + TOKEN + rb") [\x21-\x7e]+ HTTP/1\.([0-9])\r\n")
"""A request line, with its method and minor version."""

_OTHER_MAJOR_VERSION: Final = re.compile(TOKEN + rb" [\x21-\x7e]+ HTTP/[23]\.[0-9]\r\n")
_LINE_SO_FAR: Final = re.compile(rb"[\x20-\x7e]*\r?")
_MALFORMED: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""A bare line feed or carriage return, a folded line, a control character."""

_FRAMING: Final = re.compile(rb"\n(?:content-length|transfer-encoding)[ \t]*:([^\r\n]*)")
_LENGTH: Final = re.compile(rb"0*([0-9]{1,18})")
"""Below 10**18: nothing behind this overflows."""

_ZEROS: Final = re.compile(rb"(\ncontent-length:[ \t]*)0+(?=[0-9])", re.IGNORECASE)
_PARAMETER: Final = rb"[ \t]*;[ \t]*" + TOKEN + rb"[ \t]*=[ \t]*(?:" + TOKEN + rb"|\"[^\"\\]*\")"
_CODING: Final = rb"(?!chunked[ \t;,])(?=[a-z])" + TOKEN + rb"(?:" + _PARAMETER + rb")*[ \t]*,[ \t]*"
_CODED_AND_CHUNKED: Final = re.compile(rb"(?:" + _CODING + rb")+chunked")
"""Transfer codings in lower case, of which chunked is the last only: a body whose end is known."""

_FIELDS: Final = re.compile(rb"(?:" + TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)+\r\n")


class RequestError(ValueError):
    """What came is not a request. `status` is to be its answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def end_of_head(data: bytes | bytearray, searched: int = 0) -> int:
    """Return where the head at the beginning of `data` ends, -1 while it is not whole.

    `searched` bytes were here before. Raises RequestError also for a beginning that nothing can make good.
    """
    end = data.find(END, max(0, searched - 3)) + 4
    if end < 4:
        _check_beginning(data, searched)
        return -1
    _check_line_length(data)
    check_size(data, end)
    return end


def check_size(data: bytes | bytearray, end: int) -> None:
    """Limit the head or the trailer section up to `end`, whole or not. Raises RequestError (431)."""
    if end > MAX_HEAD_BYTES:
        raise RequestError(431, "the head or its trailers are too long")
    if data.count(b"\n", 0, end) > MAX_FIELDS + 2:
        raise RequestError(431, "too many fields")


def check_lines(data: bytes | bytearray, searched: int, end: int) -> None:
    """Check the lines up to `end`, of which `searched` bytes were checked before. Raises RequestError (400)."""
    if _MALFORMED.search(data, max(0, searched - 1), end):
        raise RequestError(400, "malformed lines")


def _check_beginning(data: bytes | bytearray, searched: int) -> None:
    _check_line_length(data)
    check_size(data, len(data))
    check_lines(data, searched, len(data) - data.endswith(b"\r"))
    line = data.find(b"\r\n") + 2
    if line < 2:  # only what is new: one that comes byte by byte would be looked at thousands of times
        if data[:1] <= b" " or not _LINE_SO_FAR.fullmatch(data, max(0, searched - 1)):
            raise RequestError(400, "no request line")
    elif line > searched and not LINE.match(data):
        raise refused_line(data)


def _check_line_length(data: bytes | bytearray) -> None:
    most = MAX_HEAD_BYTES
    if len(data) > most and data.find(b"\r\n", 0, most) < 0 <= data.find(b" ", 0, most):
        raise RequestError(414, "the request line is too long")


def refused_line(head: bytes | bytearray) -> RequestError:
    """Return the error for a head whose first line is not LINE."""
    if _OTHER_MAJOR_VERSION.match(head):
        return RequestError(505, "HTTP/1.1 and HTTP/1.0 are spoken here")
    return RequestError(400, "no request line")


def framing_of(head_in_lower_case: bytes | bytearray) -> list[bytes]:
    """Return the values of Content-Length and Transfer-Encoding in a head."""
    return _FRAMING.findall(head_in_lower_case)


def body_length(framing: Sequence[bytes], minor_version: bytes) -> int | None:
    """Return the length of a request's body, None if it is chunked.

    `framing`: the values of Content-Length and Transfer-Encoding. Raises RequestError (400; 501 for a coding that is
    not known, RFC 9112 section 6.1).
    """
    if not framing:
        return 0
    value = b",".join(framing).strip(b" \t").lower()
    if length := _LENGTH.fullmatch(value):
        return int(length[1])
    if minor_version == b"0":
        raise RequestError(400, "no valid length, and HTTP/1.0 has no transfer coding")
    if value == b"chunked":
        return None
    if _CODED_AND_CHUNKED.fullmatch(value):
        raise RequestError(501, "the only transfer coding taken is chunked")
    raise RequestError(400, "a request has one length, or is chunked")


def plain_length(head: bytes) -> bytes:
    """Return a head whose Content-Length has no zeros in front: h11 takes 20 digits, Python's int 4300."""
    return _ZEROS.sub(rb"\1", head)


def check_trailers(section: bytes) -> None:
    """Check a trailer section with its end. Raises RequestError (400, 431)."""
    check_size(section, len(section))
    if not _FIELDS.fullmatch(section) or framing_of(b"\n" + section.lower()):
        raise RequestError(400, "malformed trailers")


def is_met(expectation: bytes) -> bool:
    """Whether an Expect header, a list (RFC 9110 section 10.1.1), can be met, or ignored, as HTTP/1.0 has it."""
    return all(member.strip(b" \t") in (b"", b"100-continue") for member in expectation.lower().split(b","))
