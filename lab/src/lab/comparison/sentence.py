"""A comparison in words: which settings differ, what became of it, and where its noise is from. Pure."""

from collections.abc import Sequence

from lab.comparison.change import Change
from lab.comparison.columns import Column
from lab.comparison.figures import P50, THROUGHPUT
from lab.comparison.noise import FEWEST_SECONDS
from lab.comparison.settings_differences import Difference
from lab.wording import LIMITS, value_text


def sentence(columns: Sequence[Column], settings: Sequence[Difference], changes: Sequence[Change | None]) -> str:
    """Return what differs between the first column and the last, and whether by more than noise.

    `changes` are of the figures with a noise, of all columns but the first; None where a run is too short for it.
    """
    return f"{_cause(settings)}: {_outcome(columns)}{_certainty(changes)}; {_limits(columns)}."


def noise_words(columns: Sequence[Column], changes: Sequence[Change | None]) -> str:
    """Return what the noise is taken from."""
    if not any(changes):
        return f"The noise isn't known: a run has fewer than {FEWEST_SECONDS} whole seconds with all users."
    repeats = [len(column.runs) for column in columns if len(column.runs) > 1]
    seconds = "Noise: the seconds within each run"
    assumed = f"measured on other runs: {THROUGHPUT.noise_words} of the throughput, more on a busy machine"
    if not repeats:
        return f"{seconds}, and what two runs of equal settings differ by ({assumed}; --repeat measures it)."
    spread = f"the spread of {' and '.join(map(str, repeats))} repeats"
    return f"{seconds}, {spread}, and what runs of equal settings differ by elsewhere ({assumed})."


def _cause(settings: Sequence[Difference]) -> str:
    if not settings:
        return "No setting differs"
    if len(settings) == 1:
        return f"One setting differs, {settings[0].name} {' -> '.join(map(value_text, settings[0].values))}"
    return f"{len(settings)} settings differ ({', '.join(row.name for row in settings)})"


def _outcome(columns: Sequence[Column]) -> str:
    first, last = columns[0].runs, columns[-1].runs
    before, after = THROUGHPUT.mean(first) or 0.0, THROUGHPUT.mean(last) or 0.0
    ratio = f" ({after / before:.2f} times)" if before else ""
    return f"{before:.1f} -> {after:.1f} requests/s{ratio}, p50 {_ms(P50.mean(first))} -> {_ms(P50.mean(last))}"


def _certainty(changes: Sequence[Change | None]) -> str:
    if any(each.differs for each in changes if each is not None):
        return ""
    if any(each is None or each.differs is None for each in changes):
        return "; whether that is more than noise isn't known"
    return "; no figure differs by more than its noise"


def _limits(columns: Sequence[Column]) -> str:
    first, last = (LIMITS[column.bottleneck] for column in (columns[0], columns[-1]))
    return f"limited by {first}, then by {last}"


def _ms(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f} ms"
