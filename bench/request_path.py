"""Counts the files and functions of ours that one GET through the proxy runs through, on a connection that is kept.

    python bench/request_path.py [CLIENT ...]

Ours: proxy, poolwatch and service_kit. What runs in each of many requests counts, and what the ledger needs to write
them down together; what a timer does in between, such as the text of the date, does not. Comprehensions do not count:
since Python 3.12 they have no frame. The upstream, in the same process, is asyncio's.
"""

import asyncio
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
OURS = [str(ROOT / part / "src") for part in ("proxy", "poolwatch", "service-kit")]
sys.path[:0] = OURS

MOST = {"httpx": (14, 75), "httpx2": (14, 75), "httpcore": (17, 85), "aiohttp": (16, 82), "pyreqwest": (15, 85)}
"""Files and functions that are allowed; it was 24 and 103.

The others need more, because they have no place of their own where a connection can be watched, or a caller's bytes
be passed on unchanged. httpcore is tuned besides: its network backend sends a head with the first bytes of its body,
and looks for all idle sockets at once whether one was closed. aiohttp's connector, request and answer are subclassed.
pyreqwest is Rust: its answer is awaited in a task of ours, and a semaphore of ours stands for the pool's.
"""

PROTOCOL = "proxy.forward.httptools_protocol:HttpToolsConnection"
WARM_UP = 2
LOOKED_AT = 20


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except (asyncio.IncompleteReadError, asyncio.CancelledError):  # the proxy closed it, or has ended
        writer.close()


@cache
def is_ours(filename: str) -> bool:
    return str(Path(filename).resolve()).startswith(tuple(OURS))


class Trace:
    """The files and functions of ours, by name, that were called while it was on, and the monitor that counted."""

    def __init__(self) -> None:
        self.called: set[tuple[str, str]] = set()
        self.monitor: Any = None

    def __enter__(self) -> "Trace":
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and is_ours(code.co_filename) and "comp>" not in code.co_name:
            self.called.add((code.co_filename, code.co_qualname))
            if code.co_qualname == "Monitor.trace":
                self.monitor = frame.f_locals["self"]


async def traced(client: str) -> set[tuple[str, str]]:
    """Return the files and functions that each of the requests looked at runs through."""
    import uvicorn

    from proxy.app import create_app
    from proxy.settings import ServerSettings, Settings

    upstream = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    app = create_app(Settings(upstream_url=url, client=client), ServerSettings())
    config = uvicorn.Config(app, port=0, http=PROTOCOL, log_level="critical", access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname()[:2])

    async def request() -> None:
        writer.write(b"GET /work HTTP/1.1\r\nHost: proxy\r\n\r\n")
        await reader.readuntil(b"ok")
        await asyncio.sleep(0)

    for _ in range(WARM_UP):
        await request()
    traces = []
    for _ in range(LOOKED_AT):
        with Trace() as trace:
            await request()
        traces.append(trace)
    written = Trace()
    while not any(name == "Ledger._append" for _, name in written.called):  # else the proxy's own timer was first
        await request()
        with written:
            traces[-1].monitor.flush()
    writer.close()
    server.should_exit = True
    await serving
    upstream.close()
    return set.intersection(*(trace.called for trace in traces)) | written.called


def report(client: str) -> bool:
    """Print what a GET runs through; return whether that is no more than is allowed."""
    found = asyncio.run(traced(client))
    by_file = Counter(file for file, _ in found)
    print(f"{client}:")
    for file, count in sorted(by_file.items()):
        names = sorted(name for each, name in found if each == file)
        print(f"{count:4}  {Path(file).resolve().relative_to(ROOT)}  {' '.join(names)}")
    files, functions = MOST[client]
    print(f"{len(by_file)} files, {len(found)} functions (at most {files} and {functions})\n")
    return len(by_file) <= files and len(found) <= functions


def main() -> int:
    kept = [report(client) for client in sys.argv[1:] or MOST]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
