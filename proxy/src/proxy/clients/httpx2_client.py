"""httpx2, the maintained twin of httpx, on the pool of httpcore2: fair, faster, and no slot lost on cancellation."""

import httpcore2
import httpx2

from proxy.settings import Settings
from proxy.watch import PoolWatch

from .core_client import CoreClient


class Httpx2Client(CoreClient):
    """The shared client of one worker."""

    def __init__(self, settings: Settings, watch: PoolWatch) -> None:
        super().__init__("httpx2", httpcore2, settings, watch)

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return {"httpx2": httpx2.__version__} | super().versions()
