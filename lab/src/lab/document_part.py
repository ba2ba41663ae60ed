"""The base class of all parts of a run document."""

from pydantic import BaseModel, ConfigDict


class DocumentPart(BaseModel):
    """A part of a run document. An alias is the name that a field had in an older version: read, never written.

    Fields that are not known are ignored: an older version may have had them.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, validate_by_name=True, defer_build=True)
