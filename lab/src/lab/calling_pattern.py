"""What matters of a calling pattern for a run's figures."""

from lab.document_part import DocumentPart


class CallingPattern(DocumentPart):
    """A pattern by which the proxy called the upstream.

    `client_per_request`: no connection outlives a request. `bounded`: its pool opens no more than
    PROXY_MAX_CONNECTIONS. `in_threads`: a request needs one of PROXY_THREAD_TOKENS. `blocks_loop`: one call at a time.
    """

    name: str
    client_per_request: bool = False
    bounded: bool = True
    in_threads: bool = False
    blocks_loop: bool = False
