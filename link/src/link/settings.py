"""The link's settings: the NET_ variables."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from link.model import Conditions
from link.profiles import PROFILES
from link.stages import OFF, parse_partition
from service_kit.settings_errors import ContradictionError
from service_kit.variables import variable_name


def _partition(text: str) -> str:
    parse_partition(text)
    return text


def _known_profile(name: str) -> str:
    if name not in PROFILES:
        raise ValueError("not one of these")
    return name


ProfileName = Annotated[str, AfterValidator(_known_profile)]
RequestedEngine = Literal["auto", "tun", "relay", "off"]
Port = Annotated[int, Field(ge=1, le=65535)]
Milliseconds = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
Megabits = Annotated[float, Field(ge=0.01, le=100_000, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
IdleSeconds = Annotated[float, Field(ge=0.1, le=86_400, allow_inf_nan=False)]
PartitionSeconds = Annotated[str, AfterValidator(_partition)]
QueueMilliseconds = Annotated[float, Field(ge=1, le=10_000, allow_inf_nan=False)]

DEFAULT_QUEUE_MS = 100.0

CHANGEABLE = (
    "profile",
    "rtt_ms",
    "jitter_ms",
    "loss_pct",
    "bw_down_mbit",
    "bw_up_mbit",
    "queue_ms",
    "idle_drop_seconds",
    "idle_drop_mode",
    "reset_pct",
    "partition",
    "partition_mode",
    "accept_delay_ms",
)
"""The fields that can be changed while the link runs: all that set what is emulated."""


class Settings(BaseSettings):
    """What the link listens on and what it emulates; None is the profile's value."""

    model_config = SettingsConfigDict(
        env_prefix="NET_", env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    host: str = Field("127.0.0.1", description="Address the relay and the control port listen on.")
    port: Port = Field(
        8002, description="Port of the relay; only open with the relay engine. Taken by another: exit 3 and one line."
    )
    control_port: Port = Field(
        8092, description="Port of /-/healthy, /-/config and /-/stats. Taken by another: exit 3 and one line."
    )
    upstream_host: str = Field(
        "127.0.0.1", description="Host the relay forwards to; while nothing listens there, connections are reset."
    )
    upstream_port: Port = Field(8001, description="Port the relay forwards to, and whose replies tun delays.")
    profile: ProfileName = Field(
        "same-host",
        description="Network by name; same-host emulates nothing. The NET_ values below override its own.",
        json_schema_extra={"enum": list(PROFILES)},
    )
    engine: RequestedEngine = Field(
        "auto",
        description="What emulates the network: tun (packets; needs a network namespace of its own), relay (bytes), "
        "off, or auto: tun where it is available, else relay. An engine that is not available: exit 3 and one line.",
    )
    rtt_ms: Milliseconds | None = Field(
        None, description="Full round trip time in milliseconds, paid by the handshake and by every reply."
    )
    jitter_ms: Milliseconds | None = Field(
        None,
        description="Deviation of what is added to each trip, in milliseconds (half a normal distribution, cut at "
        "three deviations; packets are never reordered).",
    )
    loss_pct: Percent | None = Field(
        None,
        description="Share of packets lost, in per cent, each way for itself; TCP sends them again, a SYN after 1, 3 "
        "and 7 seconds. At 100 nothing passes.",
    )
    bw_down_mbit: Megabits | None = Field(
        None, description="Bandwidth from the upstream in Mbit/s, shared by all connections; beyond it replies queue."
    )
    bw_up_mbit: Megabits | None = Field(
        None, description="Bandwidth to the upstream in Mbit/s, shared by all connections; beyond it requests queue."
    )
    queue_ms: QueueMilliseconds | None = Field(
        None,
        description="Time's worth of bytes that waits before a bandwidth limit (100 ms if unset); a full queue drops "
        "packets (tun) or holds the sender back (relay).",
    )
    idle_drop_seconds: IdleSeconds | None = Field(
        None,
        description="Seconds without a packet after which a connection is forgotten, as by a NAT or load balancer. "
        "What is sent on it later is handled by NET_IDLE_DROP_MODE; a new connection works.",
    )
    idle_drop_mode: Literal["silent", "rst"] = Field(
        "silent",
        description="What happens to packets of a forgotten connection: they vanish (silent), or their sender gets a "
        "reset (rst).",
    )
    reset_pct: Percent = Field(
        0.0,
        description="Share of requests, in per cent, whose connection is reset on both sides instead of reaching the "
        "upstream.",
    )
    partition: PartitionSeconds = Field(
        OFF,
        description="Seconds in which nothing passes, counted from the link's start, or from when it was set by PUT "
        "/-/config: 5s-10s, or 5s- for good.",
        examples=[OFF, "5s-10s", "5s-"],
    )
    partition_mode: Literal["blackhole", "reject"] = Field(
        "blackhole",
        description="What happens to packets in a partition: they vanish (blackhole), or their sender gets a reset, "
        "which refuses a new connection (reject).",
    )
    accept_delay_ms: Milliseconds = Field(
        0.0,
        description="Milliseconds that a handshake takes beyond the round trip, as with an upstream that is slow to "
        "accept; from 1000 on clients send their SYN again.",
    )
    seed: int = Field(
        1,
        ge=0,
        le=2**63 - 1,
        description="Seed of the random numbers, so that a run's jitter and losses can be repeated.",
    )

    @property
    def conditions(self) -> Conditions:
        """What is to be emulated: the profile, overridden by every value that is set; in seconds and bits/s."""
        profile = PROFILES[self.profile]
        return Conditions(
            rtt=_over(self.rtt_ms, profile.rtt_ms) / 1e3,
            jitter=_over(self.jitter_ms, profile.jitter_ms) / 1e3,
            down=_rate(self.bw_down_mbit, profile.bw_down_mbit),
            up=_rate(self.bw_up_mbit, profile.bw_up_mbit),
            queue=_over(self.queue_ms, profile.queue_ms or DEFAULT_QUEUE_MS) / 1e3,
            loss=_over(self.loss_pct, profile.loss_pct) / 100,
            resets=self.reset_pct / 100,
            idle_drop=self.idle_drop_seconds,
            idle_reset=self.idle_drop_mode == "rst",
            partition=parse_partition(self.partition),
            partition_reset=self.partition_mode == "reject",
            accept_delay=self.accept_delay_ms / 1e3,
        )

    @model_validator(mode="after")
    def _no_contradictions(self) -> Self:
        pairs = contradictions(self)
        if pairs:
            raise ContradictionError(*pairs)
        return self


def contradictions(settings: Settings) -> list[tuple[str, str]]:
    """Return contradictions, each as a field and a sentence that names the other one."""
    found: list[tuple[str, str]] = []
    wanted = settings.conditions
    if settings.engine == "off" and not wanted.nothing:
        found.append(
            ("engine", f"contradicts {_first_condition(settings)}, which needs one; allowed: auto, tun, relay")
        )
    if wanted.jitter > wanted.rtt:
        name = "jitter_ms" if settings.jitter_ms is not None else "rtt_ms"
        found.append((name, f"jitter of {wanted.jitter * 1e3:g} ms is above the round trip of {wanted.rtt * 1e3:g} ms; "
                            "allowed: NET_JITTER_MS up to NET_RTT_MS"))  # fmt: skip
    if settings.queue_ms is not None and wanted.down is None and wanted.up is None:
        found.append(
            ("queue_ms", "there is no bandwidth to queue for; allowed: with NET_BW_DOWN_MBIT or NET_BW_UP_MBIT")
        )
    if settings.control_port == settings.port:
        found.append(("control_port", "the same as NET_PORT; allowed: any other port"))
    if settings.upstream_host in {settings.host, "127.0.0.1"}:
        sentence = "the same as NET_UPSTREAM_PORT on the same host; allowed: any other port"
        taken = [name for name in ("port", "control_port") if getattr(settings, name) == settings.upstream_port]
        found.extend((name, sentence) for name in taken)
    return found


def _first_condition(settings: Settings) -> str:
    for name in CHANGEABLE:
        value = getattr(settings, name)
        if value and value != Settings.model_fields[name].default:
            text = f"{value:g}" if isinstance(value, float) else value
            return f"{variable_name(Settings, name)}={text}"
    return f"NET_PROFILE={settings.profile}"


def _over(value: float | None, profile: float) -> float:
    return profile if value is None else value


def _rate(value: float | None, profile: float | None) -> float | None:
    mbit = profile if value is None else value
    return None if mbit is None else mbit * 1e6


def configured(conditions: Conditions) -> dict[str, float | str | None]:
    """Return the conditions in the units of the variables, for `/-/config`; None where there is none."""
    limited = conditions.down is not None or conditions.up is not None
    partition = conditions.partition
    return {
        "rtt_ms": conditions.rtt * 1e3,
        "jitter_ms": conditions.jitter * 1e3,
        "loss_pct": round(conditions.loss * 100, 9),
        "bw_down_mbit": conditions.down / 1e6 if conditions.down else None,
        "bw_up_mbit": conditions.up / 1e6 if conditions.up else None,
        "queue_ms": conditions.queue * 1e3 if limited else None,
        "idle_drop_seconds": conditions.idle_drop,
        "idle_drop_mode": _mode(conditions.idle_drop, conditions.idle_reset, "rst", "silent"),
        "reset_pct": round(conditions.resets * 100, 9),
        "partition": str(partition) if partition else None,
        "partition_mode": _mode(partition, conditions.partition_reset, "reject", "blackhole"),
        "accept_delay_ms": conditions.accept_delay * 1e3,
    }


def as_config(settings: Settings) -> dict[str, Any]:
    """Return what `/-/config` holds of the settings: each by its variable's name, and what they come to."""
    values = settings.model_dump(mode="json")
    return {
        "service": "link",
        "settings": {variable_name(Settings, name): value for name, value in values.items()},
        "configured": configured(settings.conditions),
    }


def _mode(there: object, answered: bool, yes: str, no: str) -> str | None:
    return None if there is None else yes if answered else no
