"""The steps of a request, and the phases between them, as plain numbers.

Looking up a member of an enum costs more than what is done with it, and a request takes a dozen steps.
"""

from typing import Final

from poolwatch.phases import Phase

ARRIVED, QUEUED, THREADING, ASKED, GRANTED, CONNECTING, CONNECTED = range(7)
SENDING, SENT, HEAD, BODY, DONE, ENDED = range(7, 13)

IN_ADMISSION: Final = int(Phase.ADMISSION)
IN_THREAD_WAIT: Final = int(Phase.THREAD_WAIT)
IN_POOL_WAIT: Final = int(Phase.POOL_WAIT)
IN_CONNECT: Final = int(Phase.CONNECT)
IN_TLS: Final = int(Phase.TLS)
IN_SEND: Final = int(Phase.SEND)
IN_UPSTREAM: Final = int(Phase.UPSTREAM)
IN_BODY: Final = int(Phase.BODY)
IN_PROXY: Final = int(Phase.PROXY)
IN_OTHER: Final = int(Phase.OTHER)

PHASE_OF_STEP: Final = (
    IN_PROXY,
    IN_ADMISSION,
    IN_THREAD_WAIT,
    IN_POOL_WAIT,
    IN_OTHER,
    IN_CONNECT,
    IN_PROXY,
    IN_SEND,
    IN_UPSTREAM,
    IN_PROXY,
    IN_BODY,
    IN_PROXY,
    IN_PROXY,
)
"""Where the time after a step goes, unless what comes next tells more."""

SEND_UNKNOWN: Final = (Phase.SEND,)
ALL_UNKNOWN: Final = (Phase.CONNECT, Phase.TLS, Phase.SEND, Phase.UPSTREAM_QUEUE, Phase.UPSTREAM, Phase.NETWORK)
