"""Counts the files and functions of ours that one GET through the proxy runs through, on a connection that is kept.

    python bench/request_path.py [CLIENT]

Ours: proxy, poolwatch and service_kit. At most 14 files and 75 functions; it was 24 and 103. Comprehensions do not
count: since Python 3.12 they have no frame. The upstream, in the same process, is asyncio's and not ours.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
OURS = [str(ROOT / part / "src") for part in ("proxy", "poolwatch", "service-kit")]
sys.path[:0] = OURS

FILES, FUNCTIONS = 14, 75
PROTOCOL = "proxy.forward.httptools_protocol:HttpToolsConnection"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except asyncio.IncompleteReadError:
        writer.close()


async def traced(client: str) -> set[tuple[str, str]]:
    """Return the files and functions, by name, that the third request runs through."""
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
    found: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        name = str(Path(code.co_filename).resolve())
        if (
            event == "call"
            and name.startswith(tuple(OURS))
            and "/sampler.py" not in name
            and "comp>" not in code.co_name
        ):
            found.add((name, code.co_qualname))

    for number in range(3):
        if number == 2:
            sys.setprofile(note)
        writer.write(b"GET /work HTTP/1.1\r\nHost: proxy\r\n\r\n")
        await reader.readuntil(b"ok")
        await asyncio.sleep(0)
    sys.setprofile(None)
    writer.close()
    server.should_exit = True
    await serving
    upstream.close()
    return found


def main() -> int:
    found = asyncio.run(traced(sys.argv[1] if len(sys.argv) > 1 else "httpx"))
    by_file = Counter(file for file, _ in found)
    for file, count in sorted(by_file.items()):
        names = sorted(name for each, name in found if each == file)
        print(f"{count:4}  {Path(file).relative_to(ROOT)}  {' '.join(names)}")
    print(f"{len(by_file)} files, {len(found)} functions (at most {FILES} and {FUNCTIONS})")
    return 1 if len(by_file) > FILES or len(found) > FUNCTIONS else 0


if __name__ == "__main__":
    sys.exit(main())
