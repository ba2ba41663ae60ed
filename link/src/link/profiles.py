"""Networks by name. Figures and their sources stand in the table; every value can be overridden by its own variable."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """One network: round trip and jitter in milliseconds, bandwidth in Mbit/s (None: unlimited)."""

    rtt_ms: float = 0.0
    jitter_ms: float = 0.0
    bw_down_mbit: float | None = None
    bw_up_mbit: float | None = None


# Only networks without packet loss: one whose loss is not emulated would claim to be what it is not.
PROFILES: dict[str, Profile] = {
    "same-host": Profile(),
    # Measured between instances of one, and of two, availability zones of a large cloud.
    "same-az": Profile(rtt_ms=0.5, jitter_ms=0.05),
    "cross-az": Profile(rtt_ms=1.5, jitter_ms=0.2),
    # Lighthouse's mobileSlow4G, which is WebPageTest's 3GFast.
    "slow-4g": Profile(rtt_ms=150, jitter_ms=30, bw_down_mbit=1.6, bw_up_mbit=0.75),
    # WebPageTest's 3G and Edge.
    "3g": Profile(rtt_ms=300, jitter_ms=60, bw_down_mbit=1.6, bw_up_mbit=0.768),
    "edge": Profile(rtt_ms=840, jitter_ms=100, bw_down_mbit=0.24, bw_up_mbit=0.2),
}
