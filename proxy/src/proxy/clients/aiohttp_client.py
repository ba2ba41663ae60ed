"""aiohttp: one shared session, with everything off that a proxy must not do.

Silent repeating of a request whose kept connection turned out to be closed is off by a private switch; there is no
public one. All private names are listed in `aiohttp_connector`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import yarl

from poolwatch.monitor import Monitor
from poolwatch.phases import Phase
from poolwatch.trace import current
from proxy.clients.cancellation import Scope, TaskScope
from proxy.clients.interface import Outbound
from proxy.errors import ProxyError
from proxy.settings import Settings

from .aiohttp_connector import PRIVATE_NAMES, WatchedConnector, missing_private_names
from .exhaustion import exhausted
from .library_errors import code_of
from .request_body import Upload, watched_upload
from .transport import header_text, origin, path_text, unsendable

NAME: Final = "aiohttp"
_HEAD_LIMIT: Final = 65_536
"""Bytes of a header line of an answer; aiohttp's own 8,190 is less than the other libraries take."""

_AUTO_HEADERS: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class AiohttpClient:
    """The shared session of one worker."""

    def __init__(self, settings: Settings, watch: Monitor) -> None:
        self._settings = settings
        self._origin = origin(settings).url
        self._connector = WatchedConnector(settings, watch)
        if settings.upstream_url.startswith("https:"):
            watch.always_unknown = (Phase.TLS,)  # its hooks tell connecting and the handshake as one
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            request_class=PlainRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_AUTO_HEADERS,
            max_line_size=_HEAD_LIMIT,
            max_field_size=_HEAD_LIMIT,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=None,
                sock_connect=None,
                sock_read=settings.read_timeout_seconds,
                ceil_threshold=3600,
            ),
        )
        self._lacks = missing_private_names(self._connector, self._session)
        if "_retry_connection" not in self._lacks:
            self._session._retry_connection = False

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> "AiohttpAnswer":
        """Send a request and return when the answer's head is there. Raises ProxyError."""
        if outbound.method != outbound.method.upper():
            raise unsendable(NAME, "a method that is not in upper case")
        url = self._url(outbound.target)
        headers = _headers(outbound)
        if body is None:
            return await self._request(outbound.method, url, headers, None)
        async with watched_upload(body, outbound, self._settings.write_timeout_seconds) as upload:
            return await self._request(outbound.method, url, headers, upload)

    async def _request(
        self, method: str, url: yarl.URL, headers: list[tuple[str, str]], upload: Upload | None
    ) -> "AiohttpAnswer":
        data = aiter(upload) if upload is not None else None
        try:
            response = await self._session.request(method, url, headers=headers, data=data, allow_redirects=False)
        except (aiohttp.ClientError, ValueError) as error:
            if upload is not None and upload.failure is not None:
                raise upload.failure from None
            if "_factory" in self._lacks and (trace := current.get()) is not None:
                trace.responding()  # perhaps: such a request must not be repeated
            raise proxy_error(error) from error
        if (trace := current.get()) is not None:
            trace.head_received()
        return AiohttpAnswer(response)

    def _url(self, target: bytes) -> yarl.URL:
        text = path_text(NAME, target)
        url = yarl.URL(self._origin + text, encoded=True)
        if url.raw_path_qs != text:
            raise unsendable(NAME, "this request target as it is")
        return url

    def cancel_scope(self, loop: asyncio.AbstractEventLoop) -> Scope:
        """Return asyncio's own: this library bears it."""
        return TaskScope(loop)

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return {"aiohttp": aiohttp.__version__, "yarl": yarl.__version__}

    def unsupported(self) -> dict[str, str]:
        """Return a sentence for each variable that is set and cannot be honoured."""
        sentences = {
            variable: f"aiohttp {aiohttp.__version__} has no {name}: {consequence}"
            for name, (variable, consequence) in PRIVATE_NAMES.items()
            if name in self._lacks
        }
        if self._settings.http2:
            sentences["PROXY_HTTP2"] = "aiohttp has no HTTP/2; HTTP/1.1 is spoken instead."
        return sentences

    def connections(self) -> list[dict[str, object]]:
        """Return an entry for each connection."""
        return self._connector.connections.entries()

    def loss(self) -> None:
        """Its pool was never seen to lose a slot."""

    async def aclose(self) -> None:
        """Close every connection of the pool."""
        await self._session.close()
        self._connector.forget_all()


class PlainRequest(aiohttp.ClientRequest):
    """A request to which nothing is added: aiohttp declares an empty body for a POST or DELETE without one."""

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:
        """Take the body if there is one."""
        if body is not None:
            super().update_body_from_data(body, _stacklevel)


class AiohttpAnswer:
    """An answer whose body has not been read yet."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: list[tuple[bytes, bytes]] = list(response.raw_headers)

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come, nothing decoded. Raises ProxyError if they stop too early."""
        content = self._response.content
        try:
            while chunk := await content.readany():
                yield chunk
        except aiohttp.ClientError as error:
            raise proxy_error(error) from error

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        if not self._response.closed:
            self._response.close()


def proxy_error(error: Exception) -> ProxyError:
    """Map what aiohttp raised to a code."""
    match error:
        case OSError() if (lacking := exhausted(error)) is not None:
            return ProxyError(lacking)
        case aiohttp.ClientPayloadError():
            return ProxyError(_of_payload(error))
        case aiohttp.InvalidURL():
            return unsendable(NAME, "this request")
        case ValueError() if not isinstance(error, aiohttp.ClientError):  # a wrong certificate is both
            return unsendable(NAME, "this request")
    return ProxyError(code_of([error]))


def _of_payload(error: Exception) -> str:
    """Tell a body that was cut from one that is not HTTP; a reset looks like a cut to aiohttp."""
    text = str(error)
    if "ConnectionResetError" in text:
        return "upstream_reset"
    return "upstream_closed" if "not completed" in text or "Not enough data" in text else "upstream_protocol_error"


def _headers(outbound: Outbound) -> list[tuple[str, str]]:
    """Return the headers as text. Of several Cookie headers aiohttp keeps the last: they are joined by `; `."""
    headers = []
    cookies = []
    chunked = any(name == b"transfer-encoding" for name, _ in outbound.headers)
    for name, value in outbound.headers:
        pair = header_text(NAME, name, value)
        if name == b"cookie":
            cookies.append(pair[1])
        elif not (chunked and name in (b"transfer-encoding", b"content-length")):  # aiohttp adds it by itself
            headers.append(pair)
    if cookies:
        headers.append(("cookie", "; ".join(cookies)))
    return headers
