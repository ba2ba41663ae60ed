"""Whether a request that changes something comes from a page of ours, or from no browser at all. Pure.

Locust allows every origin to read its answers (flask-cors), so a page of somebody else's could send changes too.
Browsers set both headers themselves (Fetch Metadata, section 2.3; RFC 6454, section 7).
"""

from urllib.parse import urlsplit

REFUSED = "a page of another site may not change anything here"


def is_same_origin(fetch_site: str | None, origin: str | None, host: str) -> bool:
    """Whether Sec-Fetch-Site or, without it, Origin allows a change; `host` is the one that was asked, with its port.

    Browsers leave out Sec-Fetch-Site where the page is neither https nor of this machine.
    """
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    return origin is None or urlsplit(origin).netloc == host
