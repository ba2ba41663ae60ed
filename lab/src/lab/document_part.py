"""What all parts of a run document are, and the one that several have."""

from pydantic import BaseModel, ConfigDict


class DocumentPart(BaseModel):
    """A part of a run document. An alias is the name that a field had in an older version: read, never written.

    Fields that are not known are ignored: an older version may have had them.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, validate_by_name=True, defer_build=True)


class DistributionMs(DocumentPart):
    """A distribution in short; null where there was nothing to measure."""

    count: int
    mean: float | None = None
    p50: float | None = None
    p99: float | None = None
