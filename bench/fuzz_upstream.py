"""A strict HTTP/1.1 server for bench/fuzz.py: it numbers requests, and notes what no client may send."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader

TO_HEAD = b"x-to-head"
"""Marks an answer that has no body, whatever its length says."""


@dataclass
class NumberingUpstream:
    """A strict HTTP/1.1 server that numbers each request and answers with its number.

    `whole` are the numbers of requests that came whole, `malformed` the heads that no client may send.
    """

    whole: list[int] = field(default_factory=list)
    malformed: list[bytes] = field(default_factory=list)
    port: int = 0
    _count: int = 0

    @contextlib.contextmanager
    def serve(self) -> Iterator[None]:
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
            self.port = listening.getsockname()[1]
            threading.Thread(target=self._accept, args=(listening,), daemon=True).start()
            yield

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def _connection(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError, EOFError):
            while head := _head(stream):
                self._count += 1
                number = self._count
                if not _read_body(stream, head):
                    self.malformed.append(head)
                    return
                self.whole.append(number)
                body, mark = (b"", TO_HEAD + b": 1\r\n") if head.startswith(b"HEAD ") else (b"ok", b"")
                fields = b"Content-Length: 2\r\nX-Number: %d\r\n%b" % (number, mark)
                connection.sendall(b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (fields, body))


def _head(stream: BufferedReader) -> bytes:
    lines = []
    while (line := stream.readline(300_000)) not in (b"\r\n", b""):
        lines.append(line)
    return b"".join(lines)


def header_values(head: bytes, name: bytes) -> list[bytes]:
    return [value.strip() for value in re.findall(rb"(?im)^" + name + rb"[ \t]*:([^\r\n]*)", head)]


def _read_body(stream: BufferedReader, head: bytes) -> bool:
    """Read a request's body; return whether its framing is one that a client may send."""
    read = stream.read
    lengths, codings = header_values(head, b"content-length"), header_values(head, b"transfer-encoding")
    if len(lengths) + len(codings) > 1 or not all(length.isdigit() for length in lengths):
        return False
    if lengths:
        if len(read(int(lengths[0]))) < int(lengths[0]):
            raise EOFError
        return True
    if not codings:
        return True
    while size := int(stream.readline() or b"-1", 16):
        if size < 0 or len(read(size)) < size or read(2) != b"\r\n":
            raise EOFError
    while (line := stream.readline()) != b"\r\n":
        if not line:
            raise EOFError
    return codings == [b"chunked"]
