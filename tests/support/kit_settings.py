"""A settings model with one field of each kind, for the tests of the kit."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_kit.settings_errors import ContradictionError


class Settings(BaseSettings):
    """DEMO_ variables."""

    model_config = SettingsConfigDict(env_prefix="DEMO_", env_ignore_empty=True, extra="ignore", frozen=True)

    port: Annotated[int, Field(ge=1, le=65_535)] = Field(8000, description="Where it listens.")
    timeout_seconds: float = Field(5.0, gt=0, le=3600, allow_inf_nan=False, description="Longest wait.")
    rate_mbit: Annotated[float, Field(ge=0.01, le=100_000)] | None = Field(None, description="Unset: no limit.")
    seed: int = Field(1, ge=0, le=2**63 - 1)
    mode: Literal["silent", "rst"] = "silent"
    window: str = Field("off", examples=["off", "5s-10s"])
    name: str = Field("", pattern="^[a-z]*$", json_schema_extra={"allowed": "small letters"})
    admin: bool = False
    folder: Path | None = None
    url: str = "http://127.0.0.1"

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith("http"):
            raise ValueError("not a URL; allowed: http://host")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.admin and self.mode == "rst":
            raise ContradictionError(("admin", "contradicts DEMO_MODE=rst"), ("seed", "is not needed then"))
        return self


class ServerSettings(BaseSettings):
    """SERVER_ variables."""

    model_config = SettingsConfigDict(env_prefix="SERVER_", env_ignore_empty=True, extra="ignore", frozen=True)

    workers: int = Field(1, ge=1, le=64, description="Processes.")
