"""A chunked body, decoded by the grammar (RFC 9112 section 7.1) in place of either of uvicorn's parsers.

httptools refuses the spaces around an extension that a recipient must take; h11 takes control characters in extensions
and spaces behind a size. Both take sizes that overflow somewhere behind them.
"""

import re
from typing import Final

from service_kit.request_head import END, TOKEN, RequestError, check_lines, check_size, check_trailers

MAX_LINE_BYTES: Final = 4096
"""A size and its extensions; Go's net/http has the same limit."""

_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION: Final = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?"
_LINE: Final = re.compile(rb"0*([0-9A-Fa-f]{1,15})(?:" + _EXTENSION + rb")*\r\n")
"""A size below 2**60: nothing behind this overflows."""

_NEXT_LINE: Final = re.compile(rb"\r\n" + _LINE.pattern)

_LINE_SO_FAR: Final = re.compile(rb"[0-9A-Fa-f]*(?:[ \t;][\t\x20-\x7e\x80-\xff]*)?\r?")


class ChunkedBody:
    """One body, as its bytes come. Extensions and trailers are checked, and dropped."""

    def __init__(self) -> None:
        self._kept = b""
        self._left = 0
        self._behind_data = self._in_trailers = False

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Return what `data` has of the content, and what follows the body: None while its end has not come.

        Raises RequestError.
        """
        searched = len(self._kept)
        data, self._kept = self._kept + data, b""
        if self._in_trailers:
            return b"", self._read_trailers(data, searched)
        pieces = [data[: self._left]]
        at = len(pieces[0])
        self._left -= at
        while not self._left and at < len(data):
            line = (_NEXT_LINE if self._behind_data else _LINE).match(data, at)
            if line is None or line.end() - at > MAX_LINE_BYTES:
                self._check_beginning(data, at)
                self._kept = data[at:]
                break
            self._behind_data = True
            size = int(line[1], 16)
            if not size:
                self._in_trailers = True
                return b"".join(pieces), self._read_trailers(data[line.end() :], 0)
            at = line.end()
            pieces.append(data[at : at + size])
            at += len(pieces[-1])
            self._left = size - len(pieces[-1])
        return b"".join(pieces), None

    def _check_beginning(self, data: bytes, at: int) -> None:
        """Refuse what cannot become the line with a chunk's size."""
        if self._behind_data and data[at:] != b"\r":
            if not data.startswith(b"\r\n", at):
                raise RequestError(400, "a chunk is longer than its size")
            at += 2
        if len(data) - at > MAX_LINE_BYTES or not _LINE_SO_FAR.fullmatch(data, at):
            raise RequestError(400, "no size of a chunk, or a line that is too long")

    def _read_trailers(self, data: bytes, searched: int) -> bytes | None:
        if data.startswith(b"\r\n"):
            return data[2:]
        end = data.find(END, max(0, searched - 3)) + 4
        if end < 4:
            check_size(data, len(data))
            check_lines(data, searched, len(data) - data.endswith(b"\r"))
            self._kept = data
            return None
        check_trailers(data[:end])
        return data[end:]
