"""The emulated network and upstream of a run: what they are, and how well they kept up."""

from pydantic import Field

from lab.document_part import DistributionMs, DocumentPart
from lab.wire.service import VariableValues


class EmulatorStats(DocumentPart):
    """How well an emulator kept up: the link, which emulates a network, or the mock, which emulates an upstream.

    `lateness_ms` is when events left minus when they were due, during the run. `cpu_cores` as in the document's own.
    `injected` counts what each network condition or fault was applied to, `refused` the requests that found the queue
    full. Null: not reported.
    """

    engine: str | None = None
    lateness_ms: DistributionMs | None = None
    cpu_cores: float | None = None
    injected: dict[str, int] | None = Field(default=None, validation_alias="struck")
    refused: int | None = None


class Network(DocumentPart):
    """The network of the run as the link describes it; `summary` is its conditions in a few words."""

    summary: str = Field(default="unknown", validation_alias="says")
    engine: str | None = None
    because: str | None = None
    configured: VariableValues = Field(default_factory=dict)
    measured: dict[str, dict[str, float | None]] | None = None
    caveats: list[str] = Field(default_factory=list, validation_alias="limits")

    @property
    def emulated(self) -> bool:
        """Whether anything was emulated."""
        return self.engine not in (None, "off")
