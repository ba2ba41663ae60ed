"""What an engine cannot do as a real network would: sentences that `/-/config` and the run document show."""

from link.model import Conditions

REQUESTS = (
    "A reset strikes when the first bytes of a request come, that is the client's first after an answer: a TLS "
    "handshake has some of its own, and requests that HTTP/2 sends at one time count as one."
)


IPV6 = "IPv6 is not emulated: what reaches the upstream by it does so at once, and untouched."


def of_requests(conditions: Conditions) -> list[str]:
    """Return the variables of these conditions for which an engine of packets has to see the requests too."""
    set_to = {
        "NET_BW_UP_MBIT": conditions.up,
        "NET_LOSS_PCT": conditions.loss,
        "NET_IDLE_DROP_SECONDS": conditions.idle_drop,
        "NET_RESET_PCT": conditions.resets,
        "NET_PARTITION": conditions.partition,
    }
    return [name for name, value in set_to.items() if value]


def of_relay(conditions: Conditions) -> list[str]:
    """Return what a relay, which ends TCP on both sides, makes of these conditions, a sentence each."""
    said = []
    if conditions.rtt or conditions.loss or conditions.accept_delay:
        said.append(
            "connect() is not delayed: the handshake's round trip, its lost packets and a slow accept are paid by the "
            "first bytes of a connection."
        )
    if conditions.loss:
        said.append(
            "Loss is the time its recovery takes, by formula, not packets; acknowledgements that get lost cost nothing."
        )
    if conditions.idle_drop:
        said.append("TCP keep-alives are answered by the relay's own system, so they do not keep a connection known.")
    if conditions.partition and not conditions.partition_reset:
        said.append("In a partition connect() succeeds at once, and the first bytes wait.")
    return said + ([REQUESTS] if conditions.resets else [])
