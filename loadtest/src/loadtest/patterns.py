"""The proxy's calling patterns by name, for the start form. A test holds them to what the proxy itself lists."""

from typing import Final

from lab.wire import ProxyConfig

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

UNBOUNDED: Final = frozenset({"async_per_request", "requests_in_async", "requests_per_call", "requests_session"})
"""Those whose connections nothing bounds: each call has a pool of its own, or its pool opens more when it is full."""


def is_bounded(pattern: object) -> bool:
    """Whether requests by this pattern, or none, may have to wait for a connection."""
    return pattern not in UNBOUNDED


def tuned_pattern(pattern: str, proxy: ProxyConfig | None) -> str | None:
    """Return a line about a run that the proxy will refuse, None for any other."""
    if pattern == FORWARD or proxy is None or not proxy.tuning:
        return None
    return f"pattern {pattern!r}: the proxy is tuned and refuses it; set PROXY_TUNING=off or another PROXY_CLIENT"


def target(pattern: str, path: str) -> str:
    """Return the path to GET: through a pattern, or as it is."""
    return path if pattern == FORWARD else f"/-/patterns/{pattern}{path}"
