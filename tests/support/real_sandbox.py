"""The sandbox's own services as processes, with a relay between proxy and mock, and Locust's web UI beside them."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.eventually import eventually_sync
from support.servers import free_port, part

NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class RealSandbox:
    """The addresses of Locust's web UI, of the proxy and of the control ports."""

    url: str
    proxy: str
    upstream: str
    link: str

    def ask(
        self, path: str, form: Mapping[str, object] | None = None, method: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Send a request to the UI; return status and answer, parsed where it is JSON. A header is `sec_fetch_site`."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, named, method=method)
        try:
            with NO_PROXY.open(request, timeout=30) as answer:
                status, body = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read().decode()
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body

    def start(self, **form: object) -> dict[str, Any]:
        """Send the start form; return what is answered."""
        whole = {"user_count": 4, "spawn_rate": 4, "host": self.proxy, "run_time": "1s", **form}
        return dict(self.ask("/swarm", whole)[1])

    def finished(self, known: int = 0) -> dict[str, Any]:
        """Wait for one more run than were known, and return its document."""
        eventually_sync(lambda: len(self.ask("/lab/runs.json")[1]) > known, 30)
        newest = self.ask("/lab/runs.json")[1][0]["id"]
        return dict(self.ask(f"/lab/runs/{newest}.json")[1])

    def settings(self) -> dict[str, Any]:
        """Return the settings in force in the three services."""
        found: dict[str, Any] = {}
        for url in (self.proxy, self.upstream, self.link):
            with NO_PROXY.open(f"{url}/-/config", timeout=10) as answer:
                found |= json.load(answer)["settings"]
        return found


@contextmanager
def real_sandbox(runs: Path, **variables: object) -> Iterator[RealSandbox]:
    """Run all of it on free ports; `variables` are those of all parts, each takes its own."""
    data, control, relay, link, proxy, web = (free_port() for _ in range(6))
    url = "http://127.0.0.1:{}".format

    def own(*prefixes: str) -> dict[str, object]:
        return {name: value for name, value in variables.items() if name.startswith(prefixes)}

    mock = {"UPSTREAM_PORT": data, "UPSTREAM_CONTROL_PORT": control, **own("UPSTREAM_")}
    net = {"NET_PORT": relay, "NET_CONTROL_PORT": link, "NET_UPSTREAM_PORT": data, "NET_ENGINE": "relay"}
    pool = {"PROXY_PORT": proxy, "PROXY_UPSTREAM_URL": url(relay), "PROXY_ADMIN": "true", **own("PROXY_", "UVICORN_")}
    load = {
        "LOCUST_HOST": url(proxy),
        "LOCUST_WEB_PORT": web,
        "LAB_RUNS_DIR": runs,
        "LAB_UPSTREAM_CONTROL_URL": url(control),
        "LAB_NET_CONTROL_URL": url(link),
        **own("LOCUST_", "LAB_"),
    }
    with (
        part("upstream_mock", f"{url(control)}/-/healthy", **mock),
        part("link", f"{url(link)}/-/healthy", **net, **own("NET_")),
        part("proxy", f"{url(proxy)}/-/ready", **pool),
        part("loadtest", f"{url(web)}/lab/health", **load),
    ):
        yield RealSandbox(url(web), url(proxy), url(control), url(link))
