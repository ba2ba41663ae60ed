"""WireMock's MALFORMED_RESPONSE_CHUNK: a good head, then something that is no chunk, then the end."""

from upstream_mock.faults.runtime.fault import Fault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest

ANSWER = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nthis is no chunk\r\n"


class MalformedResponseChunk(Fault):
    """The head promises chunks; where the first one's length should stand are two letters that are no digits."""

    async def strike(self, request: FaultedRequest) -> None:
        """Write, then FIN."""
        await request.write(ANSWER)
        await request.fin()
