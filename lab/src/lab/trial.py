"""An advice that was followed: the run before and the one with it, and whether the promise held. Pure."""

import re
from collections.abc import Mapping

from pydantic import JsonValue

from lab.conclusion import Metric
from lab.document_part import DocumentPart
from lab.run_document import RunDocument
from lab.run_settings import OWN_TO_EACH_RUN, is_own_address, is_wiring, variables_of
from lab.verdict.facts import Facts
from lab.verdict.run_model import measured_figures
from lab.wording import metric_words
from service_kit.variables import as_text

HELD_WITHIN = 0.25
"""How far the measurement may be from the promise, as a share of it."""

WORSE = 0.1
"""A metric that is worse by more than that share is no chance of a single run."""

_RISING: frozenset[Metric] = frozenset({"succeeded_rps"})
"""Metrics of which more is better."""

_FILES = re.compile(r"_(?:DIRECTORY|CA_FILE)$")
"""Where files are: as little to be repeated as where the parts listen."""


class Trial(DocumentPart):
    """What became of a promise. `held` is null where nothing was promised; `worse`: the change did harm.

    Neither is said where other work took the machine in the second run.
    """

    before: str
    after: str
    metric: Metric
    was: float
    promised: float | None
    measured: float
    held: bool | None
    worse: bool
    words: str


def trial(before: RunDocument, after: RunDocument) -> Trial:
    """Compare a run with the one that followed its advice."""
    promise = before.verdict.advice.promise
    metric: Metric = "succeeded_rps" if promise is None else promise.metric
    promised = None if promise is None else promise.after
    was, measured = (measured_figures(run).get(metric, 0.0) for run in (before, after))
    held = None if promised is None else _near(metric, promised, measured)
    worse = measured < was * (1 - WORSE) if metric in _RISING else measured > was * (1 + WORSE) + _slack(metric)
    if (held is False or worse) and Facts(after).others_have_a_share:
        held, worse, outcome = None, False, "not to be judged: other work kept this machine busy"
    elif held is None:
        outcome = f"of which nothing was promised ({promise.assumes if promise is not None else 'no model'})"
    else:
        outcome = f"{'as promised' if held else 'not as promised'} ({promised:g})"
    return Trial(
        before=before.id,
        after=after.id,
        metric=metric,
        was=round(was, 4),
        promised=promised,
        measured=round(measured, 4),
        held=held,
        worse=worse,
        words=f"{was:.4g} -> {measured:.4g} {metric_words(metric)}, {outcome}" + (": it is worse" if worse else ""),
    )


def _near(metric: Metric, promised: float, measured: float) -> bool:
    return abs(measured - promised) <= max(HELD_WITHIN * promised, _slack(metric))


def _slack(metric: Metric) -> float:
    return 0.02 if metric == "failed_share" else 0.0


def settings_to_repeat(run: RunDocument, in_force: Mapping[str, JsonValue]) -> dict[str, str]:
    """Return the variables to set for a run like that one, beside those that are in force and the same."""
    return {
        name: as_text(value)
        for name, value in variables_of(run.settings.start).items()
        if name not in OWN_TO_EACH_RUN
        and not (is_wiring(name) or _FILES.search(name))
        and not (name == "PROXY_UPSTREAM_URL" and is_own_address(value))
        and (value or None) != (in_force.get(name) or None)
    }
