"""What forwarding needs of the lifespan."""

import asyncio
import os
from urllib.parse import urlsplit

from proxy.admission import Admission
from proxy.clients import Client
from proxy.log import ThrottledLog
from proxy.scope import Scope
from proxy.settings import Settings
from proxy.watch import PoolWatch


class Upstreams:
    """What forwarding needs and the lifespan opens: the shared client, which may be swapped, its watch, its queue."""

    def __init__(self, client: Client, watch: PoolWatch, settings: Settings) -> None:
        url = urlsplit(settings.upstream_url)
        self.client = client
        self.watch = watch
        self.counters = watch.counters
        self.authority = url.netloc.encode("idna" if not url.netloc.isascii() else "ascii")
        self.base_path = url.path.encode()
        # of this worker only: two sandboxes in a row are no loop
        self.pseudonym = b"pool-sandbox-" + os.urandom(4).hex().encode()
        self.admission = Admission(settings.max_in_flight, settings.max_waiting)
        self.retries = settings.retries
        self.total_timeout_seconds = settings.total_timeout_seconds
        self.log = ThrottledLog("proxy")
        self._loop = asyncio.get_running_loop()

    def scope(self) -> Scope:
        """Return what can end the work on one request."""
        return self.client.scope(self._loop)
