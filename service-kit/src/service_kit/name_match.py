"""Which known variable a misspelt one most likely means: names are compared word by word, then letter by letter.

Letters alone would answer PROXY_KEEPALIVE with PROXY_TCP_KEEPALIVE_SECONDS, only because that is the shortest.
"""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

_SIMILAR = 0.75
"""Two words that are this alike are one word misspelt; USER and USERS are 0.89."""

_PART = 0.8
"""What two words count of which one is a part of the other, or that begin alike: CONN, CONNECTIONS; RETRY, RETRIES."""

_SHORTEST_PART = 3
_SHORTEST_BEGINNING = 4
"""Fewer letters in common mean nothing: CONTROL and CONNECT."""

_ENOUGH = 0.45
"""A name that shares less than this with the one given is no suggestion."""

_MOST = 5
"""Names in one suggestion."""


def nearest_names(name: str, known: Iterable[str], prefixes: Sequence[str]) -> list[str]:
    """Return the known names that are nearest to `name`: several if they share the same words with it, or none.

    Only names with the same prefix are compared, and without it: it would make all of them look alike.
    """
    name = name.upper()
    prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
    given = name.removeprefix(prefix)
    scores = {other: _score(given, other.removeprefix(prefix)) for other in known if other.startswith(prefix) and other}
    best = max(scores.values(), default=(0.0, 0.0))
    if best[0] < _ENOUGH:
        return []
    found = [other for other, score in scores.items() if score == best]
    return found if len(found) <= _MOST else []


def did_you_mean(name: str, known: Iterable[str], prefixes: Sequence[str]) -> str:
    """Return `; did you mean A?`, `; did you mean A or B?`, or an empty text."""
    *others, last = nearest_names(name, known, prefixes) or [""]
    if not last:
        return ""
    return f"; did you mean {', '.join(others)} or {last}?" if others else f"; did you mean {last}?"


def _score(given: str, other: str) -> tuple[float, float]:
    """Return the shared words as a share of all (Dice's coefficient), and whether the first words agree."""
    if _ratio(given.replace("_", ""), other.replace("_", "")) >= 0.95:  # RTTMS and RTT_MS
        return 1.0, _ratio(given, other)
    left, right = given.split("_"), other.split("_")
    shared = sum(max(_alike(word, candidate) for candidate in right) for word in left)
    shared += sum(max(_alike(word, candidate) for candidate in left) for word in right)
    return round(shared / (len(left) + len(right)), 3), _alike(left[0], right[0])


def _alike(word: str, other: str) -> float:
    if word == other:
        return 1.0
    ratio = _ratio(word, other)
    part = min(len(word), len(other)) >= _SHORTEST_PART and (word in other or other in word)
    begin_alike = word[:_SHORTEST_BEGINNING] == other[:_SHORTEST_BEGINNING]
    if part or begin_alike:
        return max(_PART, ratio)
    return ratio if ratio >= _SIMILAR else 0.0


def _ratio(word: str, other: str) -> float:
    return SequenceMatcher(None, word, other, autojunk=False).ratio()
