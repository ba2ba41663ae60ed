"""uvicorn's connection by h11, the parser in Python, as the proxy needs it."""

from uvicorn.protocols.http.h11_impl import H11Protocol

from proxy.forward.uvicorn_protocol import CallerProtocol


class H11Connection(CallerProtocol, H11Protocol):
    """One caller's connection."""

    def _should_upgrade(self) -> bool:
        # uvicorn asks when the scope is there and before it starts the request
        self.begin_request(self.scope)
        return False
