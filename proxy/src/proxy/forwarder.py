"""Where the forwarding begins: before FastAPI's middleware and its router, for every path but `/-/`."""

from fastapi import FastAPI

from proxy import forwarding
from proxy.asgi import Receive, Scope, Send
from proxy.errors import ProxyError
from proxy.forwarded import Forwarded
from proxy.refusal import refuse, refuse_websocket


class ForwardingApp(FastAPI):
    """FastAPI for the proxy's own paths; everything else goes to the upstream without passing its middleware."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route on the raw path, before anything decodes it."""
        if scope["type"] == "websocket":
            await refuse_websocket(scope, send)
            return
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        try:
            own = forwarding.is_own(scope["raw_path"])
        except ProxyError as error:
            await refuse(error, scope, send)
            return
        if own:
            await super().__call__(scope, receive, send)
        else:
            await Forwarded(scope["state"]["upstreams"], scope, receive, send).run()
