"""The base class of all parts of a run document: frozen, and strict about its fields."""

from pydantic import BaseModel, ConfigDict


class DocumentPart(BaseModel):
    """A part of a run document. An alias is the name that a field had in an older version: read, never written."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, defer_build=True)
