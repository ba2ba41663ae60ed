"""The UPSTREAM_ variables, validated before anything listens."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_kit.variables import variable_name
from upstream_mock.faults.runtime import parse as faults
from upstream_mock.latency.parse import allowed, parse_latency
from upstream_mock.latency.summary import summary
from upstream_mock.payload import MAX_CHUNKS, Content, Encoding, Framing, Payload, crowded_events, misframed_trailers
from upstream_mock.strict_types import Decimal, Whole, one_of

LATENCIES = allowed()


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+", value):
        raise ValueError("not a host name or an IP address")
    return value


def _latency(value: str) -> str:
    parse_latency(value)
    return value.strip()


def _fault(value: str) -> str:
    if not faults.parse_rules(value):
        raise ValueError("names no fault")
    return value.strip()


class Settings(BaseSettings):
    """The mock's variables; field `port` is UPSTREAM_PORT. `allowed` is for messages where there are no bounds."""

    model_config = SettingsConfigDict(env_prefix="UPSTREAM_", env_ignore_empty=True, extra="ignore", frozen=True)

    host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1",
        description="Address the mock listens on, data and control alike; 0.0.0.0 is every interface.",
        json_schema_extra={"allowed": "an IP address or a host name"},
    )
    port: Whole = Field(
        default=8001,
        ge=1,
        le=65535,
        description="Port of the data side; if it is in use, the mock does not start.",
    )
    control_port: Whole = Field(
        default=8091,
        ge=1,
        le=65535,
        validate_default=True,
        description="Port of the mock's own /-/ pages, off the data path; must differ from UPSTREAM_PORT.",
    )
    latency: Annotated[str, AfterValidator(_latency)] = Field(
        default="constant(100ms)",
        description=f"How long /work takes, drawn for each request: {LATENCIES}; a draw below zero counts as "
        "zero, one above an hour as an hour; empirical draws from a file, one duration a line.",
        json_schema_extra={"allowed": LATENCIES},
    )
    seed: Whole = Field(
        default=1,
        ge=0,
        le=2**32 - 1,
        description="Seed of everything drawn; the same seed draws the same latencies in order of arrival.",
    )
    capacity: Whole | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Requests to /work that are worked on at once; the others wait in line, unset is no limit.",
    )
    queue: Whole | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Requests to /work that may wait for a server; any more get 503 at once, unset is no limit.",
    )
    payload_bytes: Whole = Field(
        default=120,
        ge=0,
        le=100_000_000,
        description="Length of the answer's body in bytes, before encoding; JSON from 14 bytes on, plain text below.",
    )
    error_rate: Decimal = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the requests to /work that are answered 500 after their latency; 1 is all of them.",
    )
    chunks: Whole = Field(
        default=1,
        ge=1,
        le=MAX_CHUNKS,
        description="Writes that the answer's body comes in, or events; no more than it has bytes.",
    )
    chunk_gap_ms: Decimal = Field(
        default=0.0,
        ge=0,
        le=60_000,
        description="Pause between two chunks in milliseconds; the request has given back its server by then.",
    )
    encoding: Annotated[Encoding, one_of(*get_args(Encoding))] = Field(
        default="identity",
        description="Content-Encoding of the answer: gzip is compressed once, and sent whatever the client accepts.",
        json_schema_extra={"allowed": ", ".join(get_args(Encoding))},
    )
    framing: Annotated[Framing, one_of(*get_args(Framing))] | None = Field(
        default=None,
        description="How the answer's end is marked: Content-Length, chunked, or the end of the connection (close); "
        "unset is content-length, and chunked for events or trailers.",
        json_schema_extra={"allowed": ", ".join(get_args(Framing))},
    )
    trailers: Annotated[bool, one_of("true", "false")] = Field(
        default=False,
        description="Send Content-Digest as a trailer after the body; needs chunked framing.",
        json_schema_extra={"allowed": "true, false"},
    )
    content: Annotated[Content, one_of(*get_args(Content))] = Field(
        default="json",
        description="What the answer is: json, or sse for server-sent events, one a chunk, of 8 bytes at least.",
        json_schema_extra={"allowed": ", ".join(get_args(Content))},
    )
    fault: Annotated[str, AfterValidator(_fault)] | None = Field(
        default=None,
        description=(
            "Faults of the data port, one rule or several parted by `;`, each `NAME [rate=0.1] [from=5s] [to=10s] "
            "[path=/work] [first=3] [every=10] [what the fault itself takes]`; the first rule that selects a request "
            f"wins, unset is no fault. Names: {faults.names()}."
        ),
        json_schema_extra={"allowed": faults.allowed()},
    )
    fault_rate: Decimal = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Rate of the rules of UPSTREAM_FAULT that give none: the share of the requests in their reach.",
    )
    # A server that hangs up first races with the client's next request, and the client sees a reset. So the default
    # lies above the 5 s after which httpx drops an idle connection, and above most proxies' 60 s.
    keepalive_seconds: Decimal = Field(
        default=75.0,
        ge=0,
        le=86_400,
        description="How long an idle connection is kept open; then the mock closes it.",
    )
    max_requests_per_connection: Whole | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests a connection may carry; the last answer has `Connection: close` (HTTP/2: GOAWAY) and "
        "the mock hangs up, unset is no limit.",
    )
    accept_per_second: Decimal | None = Field(
        default=None,
        ge=0.1,
        le=10_000,
        description="Connections accepted per second, evenly spaced; the others wait in the kernel's backlog, "
        "connected but unread, unset is as many as come.",
    )
    backlog: Whole = Field(
        default=2048,
        ge=1,
        le=65_535,
        description="Connections that may wait to be accepted (listen(2), the kernel takes one more and at most "
        "net.core.somaxconn); beyond it SYNs are dropped, and connecting takes 1 s, 2 s and more.",
    )
    tls: Literal["off", "on", "1.2", "1.3"] = Field(
        default="off",
        description="Speak https, with a certificate of its own making: on is TLS 1.2 and 1.3, or one of them only; a "
        "client that offers no such version fails its handshake.",
        json_schema_extra={"allowed": "off, on, 1.2, 1.3"},
    )
    tls_directory: Path = Field(
        default=Path(".sandbox/certificates"),
        description="Directory of the mock's certificate authority, made if missing: clients trust its ca.pem "
        "(PROXY_CA_FILE); one that cannot be written stops the start.",
        json_schema_extra={"allowed": "a directory that can be written"},
    )
    http2: bool = Field(
        default=False,
        description="Offer HTTP/2 beside HTTP/1.1 in the TLS handshake (ALPN); without UPSTREAM_TLS a mistake.",
        json_schema_extra={"allowed": "true or false, and true only with UPSTREAM_TLS and without UPSTREAM_FAULT"},
    )
    log_entries: Whole = Field(
        default=10_000,
        ge=0,
        le=1_000_000,
        description="Finished requests, closed connections and ids of POSTs that are remembered, each so many; the "
        "oldest go first, and 0 keeps no log.",
    )

    @field_validator("control_port")
    @classmethod
    def _two_ports(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("port"):
            raise ValueError("the same as UPSTREAM_PORT")
        return value

    @field_validator("trailers")
    @classmethod
    def _chunked(cls, value: bool, info: ValidationInfo) -> bool:
        if wrong := misframed_trailers(value, info.data.get("framing")):
            raise ValueError(wrong)
        return value

    @field_validator("content")
    @classmethod
    def _room(cls, value: Content, info: ValidationInfo) -> Content:
        known = info.data
        complete = "payload_bytes" in known and "chunks" in known  # else they have a line of their own
        if complete and (wrong := crowded_events(value, known["payload_bytes"], known["chunks"])):
            raise ValueError(wrong)
        return value

    def payload(self) -> Payload:
        return Payload(
            length=self.payload_bytes,
            chunks=self.chunks,
            gap_seconds=self.chunk_gap_ms / 1e3,
            encoding=self.encoding,
            framing=self.framing,
            trailers=self.trailers,
            content=self.content,
        )

    @field_validator("http2")
    @classmethod
    def _secure_http2(cls, value: bool, info: ValidationInfo) -> bool:
        # No client of the sandbox speaks HTTP/2 without TLS by itself (it would have to know beforehand).
        if value and info.data.get("tls", "on") == "off":
            raise ValueError("needs UPSTREAM_TLS")
        if value and info.data.get("fault"):
            raise ValueError("the faults of UPSTREAM_FAULT are of HTTP/1.1")
        return value

    def variables(self) -> dict[str, object]:
        """The settings under their full variable names, as JSON takes them."""
        return {variable_name(type(self), name): value for name, value in self.model_dump(mode="json").items()}

    def as_config(self) -> dict[str, Any]:
        """What `/-/config` holds of the settings: each by its variable's name, and the latency in figures."""
        latency = asdict(summary(parse_latency(self.latency)))
        return {"service": "upstream-mock", "settings": self.variables(), "latency": latency}
