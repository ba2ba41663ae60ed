"""A run's workload, from the settings that the services report before it, and a calibration of their CPU."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from lab.calling_pattern import CallingPattern
from lab.prediction.calibration import COSTS, GENERATOR_CPU_MS, ClientCost
from lab.prediction.predict import predict
from lab.prediction.workload import Forecast, ServiceTime, Workload
from lab.user_kind import CLOSED, ClosedLoad, OpenLoad, modelled_load
from lab.wire.mock import LatencyFigures

RETRANSMISSION_SECONDS = 0.2
"""The kernel's shortest time-out before it sends a lost packet again (TCP_RTO_MIN), to which a round trip adds."""

_HEAD_BYTES = 350
_TLS_ROUND_TRIPS = {"off": 0, "on": 1, "1.3": 1, "1.2": 2}


class Unpredictable(ValueError):
    """Raised for settings that the model doesn't cover; the message is one line that names them."""


@dataclass(frozen=True)
class ReportedSettings:
    """Variables by name, as the services report them. `network` holds what the link's settings come to.

    `pattern`: what to model as forwarding by httpx, within these bounds; LAB_PATTERN is `forward` then.
    """

    load: Mapping[str, JsonValue]
    proxy: Mapping[str, JsonValue]
    network: Mapping[str, JsonValue]
    upstream: Mapping[str, JsonValue]
    latency: LatencyFigures | None
    pattern: CallingPattern | None = None

    def workload(self) -> Workload:
        """Return the workload. Raises Unpredictable."""
        self._check()
        assert self.latency is not None
        client = self.client
        load, workers = self.users_load(), int(_number(self.proxy, "UVICORN_WORKERS"))
        users, is_open = int(_number(self.load, "LOCUST_USERS")), isinstance(load, OpenLoad)
        connections = self._places()
        admitted = self._admitted()
        in_pool = min(self._in_flight() / workers, admitted or math.inf)
        reopens = self.opened_per_request() > 0.5
        in_client = self.proxy.get("PROXY_QUEUE") == "client" and not reopens  # measured: these cost no more
        in_client = in_client and not self.multiplexed
        waiting = max(in_pool - connections, 0.0) if in_client else 0.0
        capacity = _optional(self.upstream, "UPSTREAM_CAPACITY")
        strata = tuple((share, milliseconds / 1e3) for share, milliseconds in self.latency.strata_ms)
        gaps = (_number(self.upstream, "UPSTREAM_CHUNKS") - 1) * _number(self.upstream, "UPSTREAM_CHUNK_GAP_MS") / 1e3
        return Workload(
            users=users,
            connections=connections,
            work=ServiceTime(self.latency.mean_ms / 1e3, self.latency.scv, strata),
            cpu_seconds=(client.at(waiting, self._open_connections(in_pool)) - self._spared_cpu_ms()) / 1e3,
            cpu_before_pool=client.before_pool,
            travel_seconds=self.round_trips() * self._round_trip_seconds() + gaps,
            link_seconds=self._link_seconds(),
            capacity=None if capacity is None else int(capacity),
            workers=workers,
            max_in_flight=None if admitted is None else int(admitted),
            pool_timeout_seconds=_number(self.proxy, "PROXY_POOL_TIMEOUT_SECONDS"),
            generator_cpu_seconds=GENERATOR_CPU_MS / 1e3,
            generator_processes=int(_optional(self.load, "LOCUST_PROCESSES") or 1),
            cpu_in_turns=reopens,
            arrivals_per_second=load.rate if isinstance(load, OpenLoad) else None,
            arrivals_scv=0.0 if isinstance(load, OpenLoad) and load.arrivals == "constant" else 1.0,
            think_seconds=0.0 if isinstance(load, OpenLoad) else load.think,
            start_together=not is_open and (_optional(self.load, "LOCUST_SPAWN_RATE") or users) >= users,
            error_share=_optional(self.upstream, "UPSTREAM_ERROR_RATE") or 0.0,
            opened_share=self.opened_per_request(),
        )

    def forecast(self, work: Workload) -> Forecast:
        """Return the forecast of a workload of these settings.

        Raises Unpredictable where the deadline of the whole request would cut many off: what that does to the others is
        no part of the model.
        """
        found, total = predict(work), _optional(self.proxy, "PROXY_TOTAL_TIMEOUT_SECONDS")
        slow_ms = found.latency_p95_ms or found.latency_p99_ms
        if total is not None and slow_ms > total * 1e3:
            raise Unpredictable(
                f"PROXY_TOTAL_TIMEOUT_SECONDS={total:g}: many requests would take longer ({slow_ms:.0f} ms at p95), "
                "and what cutting them off does to the others is not modelled"
            )
        return found

    def users_load(self) -> ClosedLoad | OpenLoad:
        """Return what the users do. Raises Unpredictable for what no model describes."""
        text = str(self.load.get("LAB_USER_KIND", CLOSED))
        load = modelled_load(text)
        if load is None:
            raise Unpredictable(f"LAB_USER_KIND={text}: only a closed load and an open one are modelled")
        return load

    def _in_flight(self) -> float:
        """Return how many requests are under way, at most in a closed load, about so many in an open one."""
        load = self.users_load()
        if isinstance(load, ClosedLoad):
            return _number(self.load, "LOCUST_USERS")
        assert self.latency is not None
        places = self._places() * _number(self.proxy, "UVICORN_WORKERS")
        hold = self.latency.mean_ms / 1e3 + _number(self.network, "rtt_ms") / 1e3
        beyond = max(load.rate * hold - places, 0.0) / hold if hold else 0.0
        waiting = beyond * _number(self.proxy, "PROXY_POOL_TIMEOUT_SECONDS")
        return min(load.rate * hold + waiting, load.in_flight)

    def _open_connections(self, in_pool: float) -> float:
        return 1.0 if self.multiplexed else min(in_pool, _number(self.proxy, "PROXY_MAX_CONNECTIONS"))

    def _spared_cpu_ms(self) -> float:
        present = self.proxy.get("PROXY_SNIFFIO") == "present"
        return self.client.without_sniffio * self.client.at(0) if present else 0.0

    @property
    def multiplexed(self) -> bool:
        """Whether requests share connections: HTTP/2, spoken by both sides."""
        both = self.proxy.get("PROXY_HTTP2") is True and self.upstream.get("UPSTREAM_HTTP2") is True
        secure = self.upstream.get("UPSTREAM_TLS", "off") != "off"
        return both and secure and self.client.http2_requests is not None

    def _places(self) -> int:
        """Return how many requests of a worker are on their way at most."""
        connections = int(_number(self.proxy, "PROXY_MAX_CONNECTIONS"))
        if not self.multiplexed or self.proxy.get("PROXY_QUEUE") == "gate":
            return connections
        return self.client.http2_requests or connections

    def _admitted(self) -> float | None:
        """Return how many requests a worker lets in: a thread lets in one, as PROXY_MAX_IN_FLIGHT so many."""
        limits = [_optional(self.proxy, "PROXY_MAX_IN_FLIGHT")]
        if self.pattern is not None and self.pattern.in_threads:
            limits.append(_number(self.proxy, "PROXY_THREAD_TOKENS"))
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def client(self) -> ClientCost:
        """The cost of the client library in use. Raises Unpredictable for one that was not calibrated."""
        name = str(self.proxy.get("PROXY_CLIENT"))
        if name not in COSTS:
            raise Unpredictable(f"PROXY_CLIENT={name}: what it costs was not measured")
        return COSTS[name]

    def opened_per_request(self) -> float:
        """Return the share of the requests that open a connection."""
        carried = _optional(self.upstream, "UPSTREAM_MAX_REQUESTS_PER_CONNECTION")
        per_request = 1.0 if self.upstream.get("UPSTREAM_FRAMING") == "close" else 1 / (carried or math.inf)
        busy = min(
            self._in_flight() / _number(self.proxy, "UVICORN_WORKERS"),
            _number(self.proxy, "PROXY_MAX_CONNECTIONS"),
        )
        if self.multiplexed:
            return 1 / (carried or math.inf)
        if self.client.counts_busy_as_idle and busy > _number(self.proxy, "PROXY_MAX_KEEPALIVE_CONNECTIONS"):
            return 1.0
        return per_request

    def opening_ms(self) -> float:
        """Return how long opening connections takes in the mean of all requests."""
        return (self.round_trips() - 1) * self._round_trip_seconds() * 1e3

    def round_trips(self) -> float:
        """Return how many round trips a request pays for in the mean: its own, and those of connections it opens."""
        return 1 + self.opened_per_request() * (1 + _TLS_ROUND_TRIPS[str(self.upstream.get("UPSTREAM_TLS", "off"))])

    def _round_trip_seconds(self) -> float:
        rtt, jitter, loss = (_number(self.network, name) for name in ("rtt_ms", "jitter_ms", "loss_pct"))
        half_normal_mean = jitter * math.sqrt(2 / math.pi)
        resent = 2 * loss / 100 * (RETRANSMISSION_SECONDS * 1e3 + rtt)
        return (rtt + half_normal_mean + resent) / 1e3

    def _link_seconds(self) -> float:
        """Return how long an answer occupies the link's bandwidth, which all share."""
        mbit = _optional(self.network, "bw_down_mbit")
        return (
            0.0 if mbit is None else (_number(self.upstream, "UPSTREAM_PAYLOAD_BYTES") + _HEAD_BYTES) * 8 / mbit / 1e6
        )

    def _check(self) -> None:
        pattern, path = self.load.get("LAB_PATTERN", "forward"), self.load.get("LAB_REQUEST_PATH", "/work")
        if pattern != "forward":
            raise Unpredictable(f"LAB_PATTERN={pattern}: a calling pattern makes its own client")
        if path != "/work":
            raise Unpredictable(f"LAB_REQUEST_PATH={path}: only /work takes the time that UPSTREAM_LATENCY sets")
        if shape := self.load.get("LAB_SHAPE"):
            raise Unpredictable(f"LAB_SHAPE={shape}: the number of users changes all the time")
        if self.latency is None:
            raise Unpredictable("the upstream does not report how long it takes")


def _number(settings: Mapping[str, JsonValue], name: str) -> float:
    """Return a variable's value. Raises Unpredictable if it was not reported."""
    value = _optional(settings, name)
    if value is None:
        raise Unpredictable(f"{name} was not reported")
    return value


def _optional(settings: Mapping[str, JsonValue], name: str) -> float | None:
    value = settings.get(name)
    return float(value) if isinstance(value, int | float) else None
