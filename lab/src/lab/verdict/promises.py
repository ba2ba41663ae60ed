"""What an advice promises, and the smallest change that is enough: by the model of the run alone. Pure."""

import math
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from lab.calling_pattern import ONE_CLIENT
from lab.conclusion import Advice, AdvicePromise, Metric
from lab.objective import METRIC_OF, Objective, value_words
from lab.prediction.from_settings import Unpredictable
from lab.prediction.promise import smallest
from lab.verdict.facts import Facts
from lab.verdict.headroom import headrooms
from lab.verdict.run_model import RunModel, measured_figures

Change = Mapping[str, JsonValue]

LIMITS = ("PROXY_MAX_CONNECTIONS", "PROXY_MAX_IN_FLIGHT", "PROXY_THREAD_TOKENS")
"""Limits of a worker, of which more never makes a request wait for longer."""

_DIGITS: Mapping[Metric, int] = {"failed_share": 4}


def promise(facts: Facts, change: Change, metric: Metric = "succeeded_rps", *, afresh: bool = False) -> AdvicePromise:
    """Return what a metric becomes by a change; `after` is None where no model knows it.

    `afresh`: by the model of the changed settings alone, as none describes the run itself.
    """
    after: float | None = None
    assumes = "upstream, network and CPU take as long for a request as now"
    if afresh:
        assumes = "the upstream takes as long as now, and a request's CPU what was measured elsewhere"
    try:
        model = facts.model
        after = (model.afresh(change) if afresh else model.figures(change)).get(metric)
        if facts.others_have_a_share:
            after, assumes = None, "not known: other work keeps this machine busy, and will have its share of more, too"
        elif metric == "succeeded_rps" and after is not None and after > most_rps(facts) and not afresh:
            after, assumes = None, "not known: the cores of this machine would not be enough for what the model gives"
    except Unpredictable as why:
        assumes = f"not known: {why}"
    return _promised(facts, metric, after, assumes)


def without_failures(facts: Facts, code: str) -> AdvicePromise:
    """Return the promise that no request fails with that code any more."""
    share = measured_figures(facts.run).get("failed_share", 0.0)
    count = sum(count for kind, count in facts.run.errors.items() if kind.rpartition(" ")[2] == code)
    after = share * max(1 - count / facts.whole.failures, 0.0) if facts.whole.failures else share
    return _promised(facts, "failed_share", after, "what failed for that reason succeeds, and no other reason comes up")


def one_client(facts: Facts) -> dict[str, JsonValue]:
    """Return what to set for one client in place of a pattern without bounds: a connection for each user, kept."""
    wanted = users_each(facts)
    limits = ("PROXY_MAX_CONNECTIONS", "PROXY_MAX_KEEPALIVE_CONNECTIONS")
    more: dict[str, JsonValue] = {name: wanted for name in limits if facts.number(name) < wanted}
    return {"LAB_PATTERN": ONE_CLIENT.name, **more}


def _promised(facts: Facts, metric: Metric, after: float | None, assumes: str) -> AdvicePromise:
    digits = _DIGITS.get(metric, 1)
    return AdvicePromise(
        metric=metric,
        before=round(measured_figures(facts.run).get(metric, 0.0), digits),
        after=None if after is None else round(after, digits),
        assumes=assumes,
    )


def advice_for(facts: Facts, objective: Objective, advised: list[Advice]) -> Advice | None:
    """Return the smallest change that makes the objective hold by the model, None if none of those does."""
    reported = facts.settings
    limits = [name for name in LIMITS if reported is not None and isinstance(reported.proxy.get(name), int)]
    try:
        model = facts.model
    except Unpredictable:
        return None
    changes: list[Change] = []
    for one in advised:  # a limit alone first: it is the smaller change
        changes += [{name: one.set[name]} for name in LIMITS if name in one.set]
        changes += [one.set] if one.set else []
    for change in [*changes, *({name: users_each(facts)} for name in limits)]:
        if (found := _smallest(facts, model, objective, change)) is not None:
            return _advice(facts, model, objective, found)
    return None


def _smallest(facts: Facts, model: RunModel, objective: Objective, change: Change) -> Change | None:
    holds = _holding(objective)
    try:
        limit = next((name for name in change if name in LIMITS), None)
        now = 0 if limit is None else int(facts.number(limit))
        if limit is not None and now:

            def figures(value: int) -> dict[Metric, float]:
                return model.figures({**change, limit: value})

            most = max(users_each(facts), now + 1)
            found = smallest(lambda value: figures(max(value, now + 1)), holds, most)
            return None if found is None else {**change, limit: max(found, now + 1)}
        return change if holds(model.figures(change)) else None
    except Unpredictable:
        return None


def _advice(facts: Facts, model: RunModel, objective: Objective, change: Change) -> Advice:
    figures = model.figures(change)
    first = next((one for one in objective.bounds if not one.holds(one.value(facts.run.figures))), objective.bounds[0])
    values = ", ".join(f"{one.metric} {value_words(one.metric, one.value(figures))}" for one in objective.bounds)
    words = facts.change_words(change)
    return Advice(
        words=f"Set {words}: the smallest change with which {objective.text} is to be expected ({values}).",
        set=dict(change),
        promise=promise(facts, change, METRIC_OF[first.metric]),
    )


def _holding(objective: Objective) -> Callable[[Mapping[Metric, float]], bool]:
    return lambda figures: objective.outcome(figures).holds


def users_each(facts: Facts) -> int:
    """Return how many requests each worker has at once, at most."""
    return math.ceil(facts.at_once / facts.workers)


def most_rps(facts: Facts) -> float:
    """Return the throughput that the machine's cores bear, which the model doesn't know."""
    times = next((each.times for each in headrooms(facts) if each.resource == "machine"), math.inf)
    return facts.rps * times
