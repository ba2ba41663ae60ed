"""What the link and the mock did to requests on purpose: who was struck by which condition or fault. Pure."""

from lab.run_document import StandIn

_WORDS = {"idle": "idle drop"}


def struck_words(link: StandIn | None, mock: StandIn | None) -> str:
    """Return what was done to the run's requests, most frequent first; empty if nothing was."""
    parts = (("link", link), ("mock", mock))
    return "; ".join(f"{name}: {kinds}" for name, part in parts if (kinds := _kinds(part)))


def _kinds(part: StandIn | None) -> str:
    struck = (part.struck if part else None) or {}
    ordered = sorted(struck.items(), key=lambda kind: -kind[1])
    return ", ".join(f"{_WORDS.get(name, name)} {count}" for name, count in ordered if count)
