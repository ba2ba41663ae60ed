"""What every client needs to know of the upstream: where it is, which authorities to trust, how its sockets are set."""

import socket
import ssl
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final
from urllib.parse import urlsplit

from proxy.errors import ProxyError
from proxy.settings import Settings

UNSENDABLE: Final = "bad_request"
"""The code for a request that is valid HTTP but that the library in use cannot send as it came."""

NEEDS_HTTPS: Final = "HTTP/2 needs an https upstream; HTTP/1.1 is spoken to this one."

KEEPALIVE_PROBES: Final = 3
"""Unanswered probes after which the kernel gives a connection up."""


@dataclass(frozen=True)
class Origin:
    """Scheme, host (ASCII, no brackets) and port of the upstream, and the three as the beginning of a URL."""

    scheme: str
    host: str
    port: int | None
    url: str

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.scheme == "https"


def origin(settings: Settings) -> Origin:
    """Return where PROXY_UPSTREAM_URL points to."""
    url = urlsplit(settings.upstream_url)
    host = url.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    authority = f"[{host}]" if ":" in host else host
    port = f":{url.port}" if url.port is not None else ""
    return Origin(url.scheme, host, url.port, f"{url.scheme}://{authority}{port}")


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """Return how to verify an https upstream, None for plain http. It takes 25 to 40 ms of CPU: never per request."""
    if not origin(settings).secure:
        return None
    return ssl.create_default_context(cafile=settings.ca_file)


def no_cookies() -> CookieJar:
    """Return a jar that keeps nothing: a cookie of one caller must not go to the next."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def socket_options(settings: Settings) -> list[tuple[int, int, int]]:
    """Return the options that make the kernel probe an idle connection: first after that time, then as often."""
    seconds = settings.tcp_keepalive_seconds
    if seconds is None:
        return []
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # named TCP_KEEPALIVE on macOS, and each may be missing elsewhere
    for name, value in (
        ("TCP_KEEPIDLE", seconds),
        ("TCP_KEEPALIVE", seconds),
        ("TCP_KEEPINTVL", seconds),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, name) and not (name == "TCP_KEEPALIVE" and hasattr(socket, "TCP_KEEPIDLE")):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def unsendable(library: str, what: str) -> ProxyError:
    """Return the error for a request that a library would change on its way. `what` is shown to a user."""
    return ProxyError(UNSENDABLE, f"{library} cannot send {what}; another PROXY_CLIENT can")


def path_text(library: str, target: bytes) -> str:
    """Return a target as text to put behind the origin. Raises ProxyError for one that could change the origin."""
    if not target.startswith(b"/") or not target.isascii():
        raise unsendable(library, "this request target as it is")
    return target.decode("ascii")


def header_text(library: str, name: bytes, value: bytes) -> tuple[str, str]:
    """Return a header for a library that takes text and sends UTF-8. Raises ProxyError if bytes would change."""
    try:
        return name.decode("ascii"), value.decode()
    except UnicodeDecodeError:
        raise unsendable(library, f"a {name.decode('latin-1')} header that is not UTF-8") from None
