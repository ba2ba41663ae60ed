"""Where the forwarding begins: before the FastAPI app and its router, for every path but `/-/`."""

from proxy import forwarding
from proxy.asgi import App, Receive, Scope, Send
from proxy.errors import ProxyError
from proxy.forwarded import Forwarded
from proxy.refusal import refuse, refuse_websocket


class Forwarder:
    """ASGI middleware: the proxy's own paths go to the app, everything else to the upstream."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route on the raw path, before anything decodes it."""
        if scope["type"] == "websocket":
            await refuse_websocket(scope, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            own = forwarding.is_own(scope["raw_path"])
        except ProxyError as error:
            await refuse(error, scope, send)
            return
        if own:
            await self._app(scope, receive, send)
        else:
            await Forwarded(scope["state"]["upstreams"], scope, receive, send).run()
