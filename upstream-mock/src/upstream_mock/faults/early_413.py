"""413 while the request's body is still on its way (RFC 9110, 15.5.14), then the end of the connection."""

from dataclasses import dataclass

from upstream_mock.asgi import Scope
from upstream_mock.faults.runtime.fault import Fault, seconds
from upstream_mock.faults.runtime.faulted_request import FaultedRequest
from upstream_mock.json_response import has_body

ANSWER = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 10\r\nconnection: close\r\n\r\ntoo large\n"


@dataclass(frozen=True)
class Early413(Fault):
    """Answers as soon as the head has come, then FIN. Strikes only requests that have a body.

    What still arrives is thrown away for `linger`, as nginx does it; with `linger=0s` the socket is closed at once,
    and the RST that unread bytes bring may reach a caller before he has read the answer.
    """

    linger: float = seconds(2.0)

    def reaches(self, scope: Scope, carried: int) -> bool:  # noqa: ARG002 every request of a connection alike
        """Uploads."""
        return has_body(scope)

    async def strike(self, request: FaultedRequest) -> None:
        """Answer and hang up."""
        await request.write(ANSWER)
        await request.finish_early(self.linger)
