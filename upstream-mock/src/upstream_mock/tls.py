"""TLS on the data port: which versions are spoken."""

import ssl

from trustme import LeafCert

from upstream_mock.settings import Settings

_ONLY = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(settings: Settings, certificate: LeafCert) -> ssl.SSLContext:
    """How the data port shakes hands, as UPSTREAM_TLS and UPSTREAM_HTTP2 have it. Clients show no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _ONLY.get(settings.tls, ssl.TLSVersion.TLSv1_2)
    context.maximum_version = _ONLY.get(settings.tls, ssl.TLSVersion.TLSv1_3)
    context.set_alpn_protocols(["h2", "http/1.1"] if settings.http2 else ["http/1.1"])
    certificate.configure_cert(context)
    return context
