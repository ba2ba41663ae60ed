"""Whose a failure is. Pure."""

from lab.account.places import Owner
from lab.document_part import DocumentPart


class FailureCount(DocumentPart):
    """Failures of one kind in the run's window: the name they are counted by, whose they are, and what that means."""

    kind: str
    count: int
    owner: Owner
    meaning: str
