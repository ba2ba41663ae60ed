"""The proxy's calling patterns by name, for the start form. A test holds them to what the proxy itself lists."""

from typing import Final

from lab.calling_pattern import CallingPattern
from lab.wire.proxy import ProxyConfig

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

_TRAITS: Final = (
    CallingPattern(name="async_per_request", client_per_request=True, bounded=False),
    CallingPattern(name="httpx_sync_per_thread", in_threads=True, bounded=False),
    CallingPattern(name="httpx_sync_shared", in_threads=True),
    CallingPattern(name="requests_in_async", bounded=False, blocks_loop=True),
    CallingPattern(name="requests_per_call", client_per_request=True, bounded=False, in_threads=True),
    CallingPattern(name="requests_session", bounded=False, in_threads=True),
)
"""Those that are not an `async def` with one client, whose pool bounds its connections."""


def calling_pattern(name: object) -> CallingPattern | None:
    """Return what matters of the pattern of that name, None for forwarding."""
    if name in (None, "", FORWARD):
        return None
    return next((each for each in _TRAITS if each.name == name), CallingPattern(name=str(name)))


def tuned_pattern(pattern: str, proxy: ProxyConfig | None) -> str | None:
    """Return a line about a run that the proxy will refuse, None for any other."""
    if pattern == FORWARD or proxy is None or not proxy.tuning:
        return None
    return f"pattern {pattern!r}: the proxy is tuned and refuses it; set PROXY_TUNING=off or another PROXY_CLIENT"


def target(pattern: str, path: str) -> str:
    """Return the path to GET: through a pattern, or as it is."""
    return path if pattern == FORWARD else f"/-/patterns/{pattern}{path}"
