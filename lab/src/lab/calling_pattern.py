"""The calling patterns of the proxy: their names, and what of each matters for a run. A test compares the two."""

from typing import Final

from lab.document_part import DocumentPart
from lab.wire.proxy import ProxyConfig


class CallingPattern(DocumentPart):
    """A pattern by which the proxy called the upstream.

    `client_per_request`: no connection outlives a request. `bounded`: its pool opens no more than
    PROXY_MAX_CONNECTIONS. `in_threads`: a request needs one of PROXY_THREAD_TOKENS. `blocks_loop`: one call at a time.
    """

    name: str
    client_per_request: bool = False
    bounded: bool = True
    in_threads: bool = False
    blocks_loop: bool = False


FORWARD: Final = "forward"
"""No pattern: the proxy's own forwarding."""

PATTERNS: Final = (
    FORWARD,
    "async_lifespan_state",
    "async_module_global",
    "async_per_request",
    "async_startup_shutdown",
    "buffered_by_content_type",
    "chunk_generator",
    "chunk_generator_finally",
    "forget_aclose",
    "httpx_sync_per_thread",
    "httpx_sync_shared",
    "requests_in_async",
    "requests_per_call",
    "requests_session",
    "shared_cookies",
    "shared_headers",
    "stream_aiter_bytes",
    "stream_aiter_lines",
    "stream_aiter_raw",
    "stream_aiter_text",
    "stream_bytes_with_headers",
    "stream_media_type",
    "stream_raw_with_headers",
)

_SPECIAL: Final = (
    CallingPattern(name="async_per_request", client_per_request=True, bounded=False),
    CallingPattern(name="httpx_sync_per_thread", in_threads=True, bounded=False),
    CallingPattern(name="httpx_sync_shared", in_threads=True),
    CallingPattern(name="requests_in_async", bounded=False, blocks_loop=True),
    CallingPattern(name="requests_per_call", client_per_request=True, bounded=False, in_threads=True),
    CallingPattern(name="requests_session", bounded=False, in_threads=True),
)
"""Those that are not an `async def` with one client, whose pool bounds its connections."""

ONE_CLIENT: Final = CallingPattern(name="async_lifespan_state")
"""What is advised in place of another one: a client for the whole app, made in its lifespan."""


def calling_pattern(name: object) -> CallingPattern | None:
    """Return the pattern of that name, None for forwarding."""
    if name in (None, "", FORWARD):
        return None
    return next((each for each in _SPECIAL if each.name == name), CallingPattern(name=str(name)))


def refusal(pattern: str, proxy: ProxyConfig | None) -> str | None:
    """Return a line about a pattern that the proxy will refuse because it is tuned, None for any other."""
    if pattern == FORWARD or proxy is None or not proxy.tuning:
        return None
    return f"pattern {pattern!r}: the proxy is tuned and refuses it; set PROXY_TUNING=off or another PROXY_CLIENT"


def path_by(pattern: str, path: str) -> str:
    """Return the path to GET: through a pattern, or as it is."""
    return path if pattern == FORWARD else f"/-/patterns/{pattern}{path}"
