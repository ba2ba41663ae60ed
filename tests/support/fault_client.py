"""A raw client that tells what it saw of an answer: the bytes, and how they ended."""

import socket
from dataclasses import dataclass

QUIET_SECONDS = 1.0
"""A connection on which nothing came for so long after the last byte is open."""

FIRST_BYTE_SECONDS = 5.0
"""How long the first byte of an answer may take on a busy machine."""


@dataclass(frozen=True)
class Seen:
    """All bytes of a connection since a request, and its end: `FIN`, `RST`, or `open`."""

    data: bytes
    end: str

    @property
    def head(self) -> bytes:
        """Status line and headers."""
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        """What came after the head."""
        return self.data.partition(b"\r\n\r\n")[2]


def connect(port: int, timeout: float = 5.0) -> socket.socket:
    """A blocking connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def read_to_end(connection: socket.socket, quiet: float = QUIET_SECONDS, at_first: float | None = None) -> Seen:
    """Whatever comes until FIN, RST, or `quiet` seconds of silence; before the first byte `at_first` ones."""
    connection.settimeout(at_first or quiet)
    data = bytearray()
    while True:
        try:
            piece = connection.recv(1 << 20)
        except TimeoutError:
            return Seen(bytes(data), "open")
        except ConnectionResetError:
            return Seen(bytes(data), "RST")
        if not piece:
            return Seen(bytes(data), "FIN")
        data += piece
        connection.settimeout(quiet)


def converse(port: int, request: bytes, quiet: float = QUIET_SECONDS) -> Seen:
    """One request on a connection of its own, and everything that came of it."""
    with connect(port) as connection:
        connection.sendall(request)
        return read_to_end(connection, quiet, FIRST_BYTE_SECONDS)


def read_answer(connection: socket.socket) -> Seen:
    """One answer with a Content-Length, to its end; the connection stays open."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _piece(connection)
    head = data.partition(b"\r\n\r\n")[0]
    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    whole = len(head) + 4 + lengths[0]
    while len(data) < whole:
        data += _piece(connection)
    return Seen(data, "open")


def _piece(connection: socket.socket) -> bytes:
    piece = connection.recv(65_536)
    if not piece:
        raise EOFError("closed in the middle of an answer")
    return piece
