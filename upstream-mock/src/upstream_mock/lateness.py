"""How late the mock is: the latency it delivered minus the one it drew."""

from dataclasses import dataclass


@dataclass(slots=True)
class Lateness:
    """Sum and extreme over all waits, in milliseconds. A latency of zero is not waited for and not counted."""

    count: int = 0
    sum_ms: float = 0.0
    max_ms: float = 0.0

    def add(self, late_ms: float) -> None:
        """One more wait."""
        self.count += 1
        self.sum_ms += late_ms
        self.max_ms = max(self.max_ms, late_ms)

    def reset(self) -> None:
        """Start anew."""
        self.count = 0
        self.sum_ms = self.max_ms = 0.0

    def as_json(self) -> dict[str, float]:
        """For /-/stats."""
        return {"count": self.count, "mean": self.sum_ms / self.count if self.count else 0.0, "max": self.max_ms}
