"""Text about lessons and what became of them. Pure."""

from collections.abc import Sequence

from lab.lessons.document_path import Value
from lab.lessons.outcome import LessonOutcome


def figure(value: Value) -> str:
    """Return a figure as it is shown, "-" where it was not measured."""
    if value is None:
        return "-"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,.0f}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def result_words(outcome: LessonOutcome) -> str:
    """Return the result; of a lesson whose cause was left in place, whether it fails as it must."""
    if not outcome.mutated or outcome.result == "not run here":
        return outcome.result
    return "fails, as due" if outcome.as_it_should else "STILL HOLDS"


def totals_words(outcomes: Sequence[LessonOutcome]) -> str:
    """Return in a line how many do what."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        words = result_words(outcome)
        counts[words] = counts.get(words, 0) + 1
    plural = {
        "holds": "hold",
        "does not hold": "do not hold",
        "fails, as due": "fail, as due",
        "STILL HOLDS": "STILL HOLD",
    }
    return ", ".join(f"{count} {words if count == 1 else plural.get(words, words)}" for words, count in counts.items())
