"""Networks by name, one line each with its source. To add one, add a line here, and its row in docs/network.md.

The values of Profile are in this order: round trip, jitter, loss, bandwidth to the proxy and from it, queue. Each can
be overridden by a variable of its own (NET_RTT_MS, ...).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """One network: round trip and jitter in milliseconds, loss each way in per cent, bandwidth in Mbit/s, queue in ms.

    None: unlimited, and for the queue the default.
    """

    rtt_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_pct: float = 0.0
    bw_down_mbit: float | None = None
    bw_up_mbit: float | None = None
    queue_ms: float | None = None


# fmt: off
PROFILES: dict[str, Profile] = {
    # Nothing between the two.
    "same-host": Profile(),
    # gist 10312241: 0.446 ms on average between instances of one EC2 zone; between two zones 1.33 to 2.11 ms.
    "same-az": Profile(0.5, 0.05),
    "cross-az": Profile(1.5, 0.2),
    # gist 21eca095: us-east-1 to us-west-2 71.4 ms; to eu-west-1 66.6 ms, Frankfurt about 90. Loss is chosen.
    "cross-region": Profile(70, 2, 0.01, 1000, 1000),
    "transatlantic": Profile(75, 3, 0.01, 1000, 1000),
    # cloudping.co: ap-east-1 to us-west-1 and -2 146 to 155 ms. Loss is chosen.
    "transpacific": Profile(150, 5, 0.05, 500, 500),
    # Lighthouse's desktopDense4G: 40 ms, 10 Mbit/s. Jitter and loss are chosen.
    "4g": Profile(40, 10, 0.1, 10, 10),
    # Lighthouse's mobileSlow4G, which is WebPageTest's 3GFast.
    "slow-4g": Profile(150, 30, 0, 1.6, 0.75),
    # WebPageTest's 3G and Edge.
    "3g": Profile(300, 60, 0, 1.6, 0.768),
    "edge": Profile(840, 100, 0, 0.24, 0.2),
    # Firefox's Wi-Fi: 30/15 Mbit/s; loss and tail from one field measurement (p50 5.7 ms, p99 109 ms, 1.9 % lost).
    "lossy-wifi": Profile(10, 8, 2, 30, 15),
    # Up to a geostationary satellite and back, twice: 4 x 35786 km / c = 477 ms, plus processing. The rest is chosen.
    "satellite": Profile(600, 20, 0.5, 10, 2),
    # Chosen: a shared line whose buffer of 250 ms is what delays (bufferbloat, tylertreat/comcast issue 18).
    "congested": Profile(40, 20, 1, 10, 10, 250),
}
# fmt: on
