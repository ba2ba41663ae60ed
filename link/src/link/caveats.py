"""How an engine differs from a real network: sentences that `/-/config` and the run document show."""

from link.model import Conditions

REQUESTS = (
    "A reset happens at the first bytes of a request, that is the client's first after a response: a TLS handshake has "
    "some of its own, and requests that HTTP/2 sends together count as one."
)


IPV6 = "IPv6 is not emulated: traffic to the upstream over it is neither delayed nor lost."


def of_requests(conditions: Conditions) -> list[str]:
    """Return the variables for which an engine of packets has to see the requests too."""
    set_to = {
        "NET_BW_UP_MBIT": conditions.up,
        "NET_LOSS_PCT": conditions.loss,
        "NET_IDLE_DROP_SECONDS": conditions.idle_drop,
        "NET_RESET_PCT": conditions.resets,
        "NET_PARTITION": conditions.partition,
    }
    return [name for name, value in set_to.items() if value]


def of_relay(conditions: Conditions) -> list[str]:
    """Return the caveats of a relay, which terminates TCP on both sides."""
    found = []
    if conditions.rtt or conditions.loss or conditions.accept_delay:
        found.append(
            "connect() is not delayed: the handshake's round trip, its lost packets and a slow accept delay the first "
            "bytes of a connection instead."
        )
    if conditions.loss:
        found.append(
            "Loss is the time that its recovery takes, by formula, not packets; lost acknowledgements cost nothing."
        )
    if conditions.idle_drop:
        found.append(
            "TCP keep-alives are answered by the relay's kernel, so they do not keep a connection from being idle."
        )
    if conditions.partition and not conditions.partition_reset:
        found.append("In a partition connect() succeeds at once, and the first bytes wait.")
    return found + ([REQUESTS] if conditions.resets else [])
