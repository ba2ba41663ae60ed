"""The services of the sandbox, in the order in which they start; they stop in the reverse order."""

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from lab.backends.service_spec import LOOPBACK, Port, ServiceSpec, Wires
from lab.backends.variables import Variables
from lab.wire.link import LinkConfig

PROXY_PORT = Port("PROXY_PORT", 8000, "PROXY_HOST")
UPSTREAM_PORT = Port("UPSTREAM_PORT", 8001, "UPSTREAM_HOST")
UPSTREAM_CONTROL_PORT = Port("UPSTREAM_CONTROL_PORT", 8091, "UPSTREAM_HOST")
NET_PORT = Port("NET_PORT", 8002, "NET_HOST")
NET_CONTROL_PORT = Port("NET_CONTROL_PORT", 8092, "NET_HOST")
LOCUST_WEB_PORT = Port("LOCUST_WEB_PORT", 8089, "LOCUST_WEB_HOST")


def _url(wires: Wires, port: Port) -> str:
    return f"http://{LOOPBACK}:{wires.ports[port.variable]}"


def _wire_link(wires: Wires) -> Variables:
    return {"NET_UPSTREAM_HOST": LOOPBACK, "NET_UPSTREAM_PORT": str(wires.ports[UPSTREAM_PORT.variable])}


def _wire_proxy(wires: Wires) -> Variables:
    # Only the relay is an address of its own; the link's other engines work below the connections, or are off.
    link, mock = wires.configs.get(LINK.name), wires.configs.get(UPSTREAM_MOCK.name)
    through_relay = isinstance(link, LinkConfig) and link.engine == "relay"
    upstream = _url(wires, NET_PORT if through_relay else UPSTREAM_PORT)
    admin = {"PROXY_ADMIN": "true"}  # it listens on loopback
    if mock is None or not speaks_tls(mock.settings):
        return {"PROXY_UPSTREAM_URL": upstream, **admin}
    authority = Path(str(mock.settings.get("UPSTREAM_TLS_DIRECTORY") or ""), "ca.pem")
    return {"PROXY_UPSTREAM_URL": "https" + upstream.removeprefix("http"), "PROXY_CA_FILE": str(authority), **admin}


def speaks_tls(variables: Mapping[str, JsonValue]) -> bool:
    """Whether the mock speaks https with these settings: then the proxy must call it so, and trust its authority."""
    return str(variables.get("UPSTREAM_TLS") or "").strip() not in ("", "off")


def _wire_locust(wires: Wires) -> Variables:
    return {
        "LOCUST_HOST": _url(wires, PROXY_PORT),
        "LAB_UPSTREAM_CONTROL_URL": _url(wires, UPSTREAM_CONTROL_PORT),
        "LAB_NET_CONTROL_URL": _url(wires, NET_CONTROL_PORT),
        "LAB_RUNS_DIR": str(wires.runs),
    }


def _module(name: str) -> tuple[str, ...]:
    # -P: the current folder is not searched for modules.
    return (sys.executable, "-P", "-m", name)


UPSTREAM_MOCK = ServiceSpec(
    name="upstream-mock",
    argv=_module("upstream_mock"),
    prefixes=("UPSTREAM_",),
    ports=(UPSTREAM_PORT, UPSTREAM_CONTROL_PORT),
    ready_port=UPSTREAM_CONTROL_PORT,
    ready_path="/-/healthy",
    colour=33,
)

LINK = ServiceSpec(
    name="link",
    argv=_module("link"),
    prefixes=("NET_",),
    ports=(NET_PORT, NET_CONTROL_PORT),
    ready_port=NET_CONTROL_PORT,
    ready_path="/-/healthy",
    config=LinkConfig,
    colour=35,
    wiring=_wire_link,
)

PROXY = ServiceSpec(
    name="proxy",
    argv=_module("proxy"),
    prefixes=("PROXY_", "UVICORN_"),
    ports=(PROXY_PORT,),
    ready_port=PROXY_PORT,
    ready_path="/-/ready",
    colour=36,
    wiring=_wire_proxy,
    after=("upstream-mock", "link"),
    takes_changes=True,  # the link does too, but then measures itself for seconds, as it does when it starts
)

LOCUST = ServiceSpec(
    name="locust",
    argv=_module("loadtest"),
    prefixes=("LOCUST_", "LAB_"),
    ports=(LOCUST_WEB_PORT,),
    ready_port=LOCUST_WEB_PORT,
    ready_path="/lab/health",
    colour=32,
    wiring=_wire_locust,
)

SERVICES = (UPSTREAM_MOCK, LINK, PROXY, LOCUST)
