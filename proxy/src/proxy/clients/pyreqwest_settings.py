"""The proxy's settings in pyreqwest's words."""

from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder

from proxy.settings import Settings

from .transport import KEEPALIVE_PROBES, origin


def build(settings: Settings, *, limited: bool) -> Client:
    """Return a client that adds, follows, keeps and decodes nothing. `limited`: it holds itself to the limit."""
    builder = (
        ClientBuilder()
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .follow_redirects(False)
        .referer(False)
        .default_cookie_store(False)
        .no_proxy()
        .http1_lower_case_headers()
        .user_agent("")  # cannot be left out, only emptied
        .connect_timeout(timedelta(seconds=settings.connect_timeout_seconds))
        .read_timeout(timedelta(seconds=settings.read_timeout_seconds))
        .pool_max_idle_per_host(settings.keepalive_connections)
        .pool_idle_timeout(timedelta(seconds=settings.keepalive_expiry_seconds))
        .http2(settings.http2 and origin(settings).secure)
    )
    if limited:
        builder = builder.max_connections(settings.max_connections)
        builder = builder.pool_timeout(timedelta(seconds=settings.pool_timeout_seconds))
    if settings.total_timeout_seconds is not None:  # the proxy's own deadline comes first; this one ends what it left
        builder = builder.timeout(timedelta(seconds=settings.total_timeout_seconds + 1))
    if settings.tcp_keepalive_seconds is not None:
        seconds = timedelta(seconds=settings.tcp_keepalive_seconds)
        builder = builder.tcp_keepalive(seconds).tcp_keepalive_interval(seconds).tcp_keepalive_retries(KEEPALIVE_PROBES)
    else:
        builder = builder.tcp_keepalive(None)
    if settings.ca_file is not None:
        for certificate in _certificates(settings.ca_file.read_bytes()):
            builder = builder.add_root_certificate_pem(certificate)
    return builder.build()


def _certificates(pem: bytes) -> list[bytes]:
    """Split a bundle: the library takes one certificate at a time."""
    end = b"-----END CERTIFICATE-----"
    return [part[part.index(b"-----BEGIN") :] + end + b"\n" for part in pem.split(end)[:-1]]
