"""What the mock upstream can be told: UPSTREAM_ variables, validated before anything listens."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from upstream_mock.latency import ALLOWED, parse_latency

PREFIX = "UPSTREAM_"


def _whole(value: object) -> object:
    # pydantic would take "10.0" and "1_000" too.
    if isinstance(value, str) and not re.fullmatch(r"[+-]?[0-9]+", value.strip()):
        raise ValueError("not a whole number")
    return value


def _decimal(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", value.strip()):
        raise ValueError("not a number")
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+", value):
        raise ValueError("not a host name or an IP address")
    return value


def _latency(value: str) -> str:
    parse_latency(value)
    return value.strip()


Whole = Annotated[int, BeforeValidator(_whole)]
Decimal = Annotated[float, BeforeValidator(_decimal)]


class Settings(BaseSettings):
    """The mock's variables; field `port` is UPSTREAM_PORT, and so on. `allowed` is for words where no bounds say it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1",
        description="Address the mock listens on, data and control alike; 0.0.0.0 is every interface.",
        json_schema_extra={"allowed": "an IP address or a host name"},
    )
    port: Whole = Field(
        default=8001,
        ge=1,
        le=65535,
        description="Port of the data side; in use by somebody else, the mock does not start.",
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
        description=f"How long /work takes, drawn for each request: {ALLOWED}; a draw below zero counts as zero.",
        json_schema_extra={"allowed": ALLOWED},
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
    payload_bytes: Whole = Field(
        default=120,
        ge=0,
        le=100_000_000,
        description="Length of the answer's body in bytes; JSON from 14 bytes on, plain text below.",
    )
    error_rate: Decimal = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the requests to /work that are answered 500 after their latency; 1 is all of them.",
    )
    # A server that hangs up first races with the client's next request, and the client sees a reset. So the default
    # lies above the 5 s after which httpx drops an idle connection, and above most proxies' 60 s.
    keepalive_seconds: Decimal = Field(
        default=75.0,
        ge=0,
        le=86_400,
        description="How long an idle connection is kept open; then the mock closes it.",
    )

    @field_validator("control_port")
    @classmethod
    def _two_ports(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("port"):
            raise ValueError("the same as UPSTREAM_PORT")
        return value

    def variables(self) -> dict[str, object]:
        """The settings under their full variable names, as JSON takes them."""
        return {variable(name): value for name, value in self.model_dump(mode="json").items()}


def variable(field: str) -> str:
    """The name of a field's variable."""
    return PREFIX + field.upper()
