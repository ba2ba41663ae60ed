"""What every part of a run document is: frozen, and strict about its fields."""

from pydantic import BaseModel, ConfigDict


class DocumentPart(BaseModel):
    """A part of a run document. It is written by the names it has in the file, and read by either."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True)
