"""An https upstream that speaks HTTP/2, by the library h2: it is strict about what it is sent, and tells what came."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame


class Stream:
    """One request. `body` ends with b"" in `pieces`; `reset` is set when the client gave it up."""

    def __init__(self, connection: "_Connection", number: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.connection = connection
        self.number = number
        self.headers = headers
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.reset = asyncio.Event()

    def header(self, name: str) -> list[bytes]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name.encode()]

    async def body(self) -> bytes:
        """Return the whole body."""
        whole = b""
        while piece := await self.pieces.get():
            whole += piece
        return whole

    async def head(self, status: int = 200, *headers: tuple[str, str], end: bool = False) -> None:
        """Send the answer's head."""
        self.connection.state.send_headers(self.number, [(":status", str(status)), *headers], end_stream=end)
        await self.connection.flush()

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the answer, as the client's windows allow."""
        state = self.connection.state
        while data:
            size = min(state.local_flow_control_window(self.number), state.max_outbound_frame_size, len(data))
            if size == 0:
                self.connection.window.clear()
                await self.connection.window.wait()
                continue
            state.send_data(self.number, data[:size])
            data = data[size:]
            await self.connection.flush()
        if end:
            state.end_stream(self.number)
            await self.connection.flush()

    async def refuse(self) -> None:
        """Reset the stream."""
        self.connection.state.reset_stream(self.number, h2.errors.ErrorCodes.REFUSED_STREAM)
        await self.connection.flush()

    async def goaway(self, last: int, code: h2.errors.ErrorCodes = h2.errors.ErrorCodes.NO_ERROR) -> None:
        """End the connection for streams above `last`; the others are to be answered. The frame is written by hand:
        after its own GOAWAY the library h2 sends nothing any more."""
        frame = hyperframe.frame.GoAwayFrame(0, last_stream_id=last, error_code=code)
        await self.connection.write(frame.serialize())


Script = Callable[[Stream], Awaitable[None]]


class Upstream:
    """What has come: every stream and the number of connections, of each protocol."""

    def __init__(self, script: Script, streams_allowed: int) -> None:
        self.script = script
        self.streams_allowed = streams_allowed
        self.url = ""
        self.streams: list[Stream] = []
        self.connections = 0
        self.protocols: list[str | None] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task that `end` waits for."""
        self._serving[asyncio.create_task(self.serve(reader, writer))] = writer

    async def end(self) -> None:
        """Cut what is still open and wait for its end."""
        for writer in self._serving.values():
            writer.transport.abort()
        for task in [*self.tasks, *self._serving]:
            task.cancel()
        await asyncio.gather(*self.tasks, *self._serving, return_exceptions=True)
        await asyncio.sleep(0.01)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection by the protocol that was agreed on."""
        self.connections += 1
        protocol = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        self.protocols.append(protocol)
        with suppress(OSError, asyncio.IncompleteReadError, h2.exceptions.ProtocolError):
            if protocol == "h2":
                await _Connection(self, reader, writer).run()
            else:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    await asyncio.sleep(0.5 if b"/slow" in head else 0)
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()


class _Connection:
    def __init__(self, upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.upstream = upstream
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.window = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._streams: dict[int, Stream] = {}

    async def flush(self) -> None:
        self._writer.write(self.state.data_to_send())
        await self._writer.drain()

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    async def run(self) -> None:
        allowed = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.upstream.streams_allowed}
        self.state.local_settings = h2.settings.Settings(client=False, initial_values=allowed)
        self.state.initiate_connection()
        await self.flush()
        while data := await self._reader.read(65_536):
            for event in self.state.receive_data(data):
                self._take(event)
            await self.flush()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                stream = self._streams[event.stream_id] = Stream(self, event.stream_id, list(event.headers))
                self.upstream.streams.append(stream)
                task = asyncio.create_task(self._answer(stream))
                self.upstream.tasks.add(task)
                task.add_done_callback(self.upstream.tasks.discard)
            case h2.events.DataReceived():
                self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if event.data:
                    self._streams[event.stream_id].pieces.put_nowait(event.data)
            case h2.events.StreamEnded():
                self._streams[event.stream_id].pieces.put_nowait(b"")
            case h2.events.StreamReset():
                self._streams[event.stream_id].reset.set()
            case h2.events.WindowUpdated():
                self.window.set()

    async def _answer(self, stream: Stream) -> None:
        with suppress(h2.exceptions.H2Error, OSError):
            await self.upstream.script(stream)


async def ok(stream: Stream) -> None:
    """Answer `ok` when the whole request is there."""
    await stream.body()
    await stream.head(200, ("content-length", "2"))
    await stream.send(b"ok", end=True)


@asynccontextmanager
async def h2_upstream(
    authority: Path, script: Script = ok, *, protocols: tuple[str, ...] = ("h2", "http/1.1"), streams_allowed: int = 100
) -> AsyncIterator[Upstream]:
    """Serve https with a certificate of `make_authority`, offering these protocols."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    if protocols:
        context.set_alpn_protocols(list(protocols))
    upstream = Upstream(script, streams_allowed)
    server = await asyncio.start_server(upstream.begin, "127.0.0.1", 0, ssl=context)
    upstream.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
        await upstream.end()


def make_authority(folder: Path) -> Path:
    """Make ca.pem, and server.pem and server.key for 127.0.0.1 and localhost signed by it. Returns the folder."""
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=own-authority "
        "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile ext",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder
