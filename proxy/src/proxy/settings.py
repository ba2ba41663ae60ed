"""The proxy's settings: PROXY_ for the pool and the forwarding, UVICORN_ for the server in front of it."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_kit.settings_errors import ContradictionError
from service_kit.variables import variable_name

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]

KEEPALIVE_DEFAULT = 5


class Settings(BaseSettings):
    """The shared client and the forwarding. The names and the meanings are httpx's own; times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="PROXY_", env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address the proxy listens on.")
    port: Port = Field(8000, description="Port the proxy listens on.")
    upstream_url: str = Field(
        "http://127.0.0.1:8001",
        description="Where requests are forwarded to, http or https; a path in it is put before every path.",
    )
    client: Literal["httpx", "httpx2", "aiohttp", "pyreqwest", "httpcore"] = Field(
        "httpx",
        description="The client library that calls the upstream, as everybody's app uses it; httpcore is httpx's pool "
        "called directly and tuned. /-/config lists what a library cannot honour.",
    )
    tuning: Literal["on", "off"] | None = Field(
        None,
        description="What makes the proxy faster than it is in everybody's app; /-/config lists it. Calling patterns "
        "are refused with it. Unset: on with PROXY_CLIENT=httpcore, else off.",
    )
    sniffio: Literal["absent", "present"] = Field(
        "absent",
        description="Whether `import sniffio`, which httpcore 1.0 tries several times a request, works: absent, as "
        "after `pip install httpx fastapi` today, it searches the whole path in vain.",
    )
    queue: Literal["client", "gate"] = Field(
        "client",
        description="Where requests wait for a connection: client = in the library's own pool, as in everybody's app; "
        "gate = in one fair queue before it, with cancellation that loses no slot.",
    )
    max_connections: int = Field(
        10,
        ge=1,
        le=10_000,
        description="Connections the pool may hold per worker; a request that finds all busy waits for one.",
    )
    max_keepalive_connections: int | None = Field(
        None,
        ge=0,
        le=10_000,
        description="Idle connections kept for the next request, at most PROXY_MAX_CONNECTIONS; further ones are "
        "closed. Unset: 5, or PROXY_MAX_CONNECTIONS if that is less.",
    )
    keepalive_expiry_seconds: float = Field(
        5.0, ge=0, le=86_400, allow_inf_nan=False, description="An idle connection older than this is not used again."
    )
    connect_timeout_seconds: Seconds = Field(
        5.0, description="Longest wait for a TCP connection and TLS; then 504 upstream_connect_timeout."
    )
    read_timeout_seconds: Seconds = Field(
        5.0, description="Longest silence of the upstream; then 504 upstream_read_timeout."
    )
    write_timeout_seconds: Seconds = Field(
        5.0, description="Longest time the upstream may take no bytes; then 504 upstream_write_timeout."
    )
    pool_timeout_seconds: Seconds = Field(
        5.0, description="Longest wait for a connection of the pool; then 503 pool_exhausted."
    )
    total_timeout_seconds: Seconds | None = Field(
        None,
        description="Deadline of a whole request, answer included: before the head 504 total_timeout, after it the "
        "connection is cut. Unset: none; a drip of bytes can then go on for ever.",
    )
    caller_head_timeout_seconds: Seconds = Field(
        10.0, description="Longest time a caller may take for a request's head as a whole; then 408 caller_timeout."
    )
    caller_body_timeout_seconds: Seconds = Field(
        10.0,
        description="Longest silence of a caller in its request's body, while the proxy would take more of it; then "
        "408 caller_timeout, or a cut connection if an answer has begun.",
    )
    caller_write_timeout_seconds: Seconds = Field(
        10.0,
        description="Longest time a caller may take nothing of an answer that waits for it; then its connection is "
        "cut. On Linux only.",
    )
    caller_min_bytes_per_second: float = Field(
        100.0,
        ge=0,
        le=1e9,
        allow_inf_nan=False,
        description="Least rate of a caller's body, and of its reading, over 10 s; below it as after a silence. "
        "0: any.",
    )
    request_buffer_bytes: int = Field(
        65_536,
        ge=0,
        le=1 << 30,
        description="A request's body of up to so many bytes is read whole before a connection is asked for; a longer "
        "one waits for its first bytes. 0: none is waited for, as in plain apps.",
    )
    retries: int = Field(
        0,
        ge=0,
        le=5,
        description="Further tries when a kept connection turns out to be closed: only idempotent methods, only on a "
        "reused connection, only with nothing received.",
    )
    max_in_flight: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Requests worked on at a time per worker; further ones wait in order of arrival. Unset: no limit.",
    )
    max_waiting: int | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="Requests that may wait for PROXY_MAX_IN_FLIGHT; the next one gets 503 overloaded at once. Unset: "
        "no limit.",
    )
    max_connection_age_seconds: Seconds | None = Field(
        None,
        description="A connection older than this takes no further request, so that a changed address is noticed. "
        "Unset: none.",
    )
    tcp_keepalive_seconds: int | None = Field(
        None,
        ge=1,
        le=3600,
        description="Idle seconds after which the kernel probes a kept connection, so that a silent drop is noticed. "
        "Unset: no probes.",
    )
    http2: bool = Field(False, description="Speak HTTP/2 to an https upstream, where the client library can.")
    ca_file: Path | None = Field(
        None, description="PEM file of the authorities to trust for an https upstream. Unset: the system's."
    )
    thread_tokens: int = Field(
        40, ge=1, le=10_000, description="Threads of anyio's limiter, in which `def` endpoints run; the rest waits."
    )
    ledger: bool = Field(True, description="Keep the time of each request by phase; off only to measure what it costs.")
    ledger_entries: int = Field(
        20_000, ge=1, le=1_000_000, description="Finished requests kept per worker for /-/ledger; the oldest go first."
    )
    leak_threshold_seconds: Seconds | None = Field(
        30.0, description="A connection held longer than this by one request is logged with its holder. Unset: 30."
    )
    admin: bool = Field(
        False, description="Allow PUT /-/config to change the client, limits and time-outs in a run; one worker only."
    )
    state_dir: Path | None = Field(
        None, description="Folder in which the workers share their counters. Unset: a private one that is removed."
    )

    @field_validator("upstream_url")
    @classmethod
    def _is_http_url(cls, value: str) -> str:
        try:
            url = urlsplit(value)
            port_is_valid = url.port is None or url.port > 0
        except ValueError:
            port_is_valid = False
        if not port_is_valid or url.scheme not in ("http", "https") or not url.hostname or any(c <= " " for c in value):
            raise ValueError("not a URL of an HTTP server; allowed: http://host[:port][/path] or https://...")
        if url.username is not None or url.query or url.fragment:
            raise ValueError("holds more than a server; allowed: http://host[:port][/path] without user, ? and #")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _keepalive_fits(self) -> Self:
        keepalive = self.max_keepalive_connections
        if keepalive is not None and keepalive > self.max_connections:
            most = self.max_connections
            sentence = f"more than PROXY_MAX_CONNECTIONS={most} can ever be idle; allowed: 0 to {most}"
            raise ContradictionError(("max_keepalive_connections", sentence))
        return self

    @property
    def tuned(self) -> bool:
        """Whether the process is tuned, see `proxy.tuning`."""
        return self.tuning == "on" or (self.tuning is None and self.client == "httpcore")

    @property
    def keepalive_connections(self) -> int:
        """The limit in force: the one that was set, else 5, but never more than the connections there are."""
        if self.max_keepalive_connections is not None:
            return self.max_keepalive_connections
        return min(KEEPALIVE_DEFAULT, self.max_connections)


class ServerSettings(BaseSettings):
    """uvicorn's own settings for the proxy, by the names of its command line."""

    model_config = SettingsConfigDict(env_prefix="UVICORN_", env_ignore_empty=True, extra="ignore", frozen=True)

    workers: int = Field(
        1, ge=1, le=64, description="Processes; each has a pool of its own, so the limits multiply by them."
    )
    limit_concurrency: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Connections and tasks at a time per worker; beyond it uvicorn answers 503 at once, idle "
        "keep-alive connections included. Unset: no limit.",
    )
    backlog: int = Field(2048, ge=1, le=65_535, description="Connections the kernel holds until uvicorn accepts them.")
    timeout_keep_alive: int = Field(
        5, ge=0, le=86_400, description="Seconds after which an idle connection of a caller is closed."
    )
    timeout_graceful_shutdown: int = Field(
        30, ge=0, le=3600, description="Seconds that requests in flight are given after SIGTERM."
    )
    http: Literal["auto", "h11", "httptools"] = Field("auto", description="uvicorn's HTTP parser.")


def as_environment(settings: BaseSettings) -> dict[str, Any]:
    """Return settings by the full names of their variables, with JSON's own types."""
    return {variable_name(type(settings), name): value for name, value in settings.model_dump(mode="json").items()}


def in_force(settings: Settings, server: ServerSettings) -> dict[str, Any]:
    """Return every setting as it works: what was left unset is shown as what it comes to."""
    shown = as_environment(settings) | as_environment(server)
    shown["PROXY_MAX_KEEPALIVE_CONNECTIONS"] = settings.keepalive_connections
    del shown["PROXY_STATE_DIR"]
    return shown


def derived(settings: Settings, server: ServerSettings) -> list[str]:
    """Return the variables that are unset and that `in_force` shows as what they come to."""
    given = as_environment(settings) | as_environment(server)
    return [name for name, value in in_force(settings, server).items() if value is not None and given[name] is None]
