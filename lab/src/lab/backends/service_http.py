"""The little HTTP that the supervisor speaks: one GET, no connection kept."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

_ANSWER_SECONDS = 5.0


async def get(url: str) -> tuple[int, bytes]:
    """Return status and body; raise OSError or TimeoutError if there is no answer.

    HTTP/1.0, so that the body ends with the connection. Standard library, and no thread.
    """
    parts = urlsplit(url)
    async with asyncio.timeout(_ANSWER_SECONDS):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
            answer = await reader.read()
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError(f"{url} does not speak HTTP")
    return int(words[1]), body


async def get_json(url: str) -> dict[str, Any]:
    """Return the JSON object at a URL; {} if there is none."""
    try:
        status, body = await get(url)
        found = json.loads(body) if status == 200 else {}
    except (OSError, TimeoutError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
