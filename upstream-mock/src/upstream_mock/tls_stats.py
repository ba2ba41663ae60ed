"""What became of the TLS handshakes of the data port."""

import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class TlsHandshakes:
    """TLS handshakes of the data port. `failed` is by OpenSSL's reason; `left` counts clients who went in the middle.

    A probe that only connects is one of those, and so is a client on asyncio (aiohttp, httpx's AsyncClient) that
    refuses our certificate: it goes without an alert.
    """

    done: int = 0
    resumed: int = 0
    left: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    alpn: Counter[str] = field(default_factory=Counter)

    def made(self, transport: Any) -> str | None:
        """Count a connection's handshake; returns the version, None without TLS."""
        tls = transport.get_extra_info("ssl_object")
        if tls is None:
            return None
        version: str = tls.version()
        self.done += 1
        self.resumed += tls.session_reused
        self.versions[version] += 1
        self.alpn[tls.selected_alpn_protocol() or "none"] += 1
        return version

    def broke(self, error: Exception) -> None:
        """Count one that came to nothing."""
        if isinstance(error, ssl.SSLError) and error.reason:
            self.failed[error.reason.lower()] += 1
        else:
            self.left += 1

    def reset(self) -> None:
        """Zero."""
        self.done = self.resumed = self.left = 0
        for counts in (self.failed, self.versions, self.alpn):
            counts.clear()

    def as_json(self) -> dict[str, object]:
        """For /-/stats."""
        return {
            "handshakes": self.done,
            "resumed": self.resumed,
            "failed": self.failed.total(),
            "failed_by": dict(self.failed),
            "left": self.left,
            "versions": dict(self.versions),
            "alpn": dict(self.alpn),
        }
