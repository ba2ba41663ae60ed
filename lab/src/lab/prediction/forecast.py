"""What a run is expected to show."""

from pydantic import BaseModel, ConfigDict


class Forecast(BaseModel):
    """Figures of the steady window. Utilisations are shares of 1; `throughput_rps` counts requests that succeed.

    Means, p99 and shares are of all requests. `timed_out_share` gave up waiting for a connection, `failed_share` failed
    for that or another reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    throughput_rps: float
    latency_mean_ms: float
    latency_p99_ms: float
    pool_wait_mean_ms: float
    pool_wait_p99_ms: float
    pool_utilisation: float
    cpu_utilisation: float
    generator_utilisation: float
    timed_out_share: float
    failed_share: float = 0.0
