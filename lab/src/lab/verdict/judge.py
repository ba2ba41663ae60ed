"""Chooses the verdict among what the rules find."""

from lab.account.places import PLACES, Place
from lab.conclusion import Advice, Finding, Verdict
from lab.objective import ObjectiveOutcome, outcome_words, parse_objective
from lab.prediction.from_settings import ReportedSettings
from lab.run_document import RunDocument
from lab.verdict.caveats import caveats
from lab.verdict.facts import QUEUES, TENTH, Facts
from lab.verdict.promises import advice_for
from lab.verdict.rules import rules
from lab.wording import busy_words

FIRST = ("leak", "failures")
"""What explains whatever else is found: connections that are gone, and requests that did not do their work."""


def judge(run: RunDocument, settings: ReportedSettings | None = None) -> Verdict:
    """Return the verdict over a run whose own verdict is not read.

    `settings`, as the services reported them before it, are for what an advice promises.
    """
    facts = Facts(run, settings)
    if not run.totals.requests:
        return _none("no request was made", Advice(words="Run it with users and for longer."))
    found = [finding for rule in rules() if (finding := rule(facts)) is not None and finding.share >= TENTH]
    ordered = sorted(found, key=lambda finding: (finding.bottleneck not in FIRST, -finding.share))
    if not ordered:
        verdict = _free(facts)
    else:
        main, *others = ordered
        verdict = _of(main).model_copy(update={"also": others})
    if run.objective is not None:
        advised = [verdict.advice, *(finding.advice for finding in verdict.also)]
        verdict = _by_objective(verdict, run.objective, _needed(facts, run.objective, advised))
    return verdict.model_copy(update={"caveats": caveats(facts)})


def _needed(facts: Facts, outcome: ObjectiveOutcome, advised: list[Advice]) -> Advice:
    """Return the smallest change with which the objective holds, and no more where it does; else what was advised."""
    objective = parse_objective(outcome.text)
    if outcome.holds or objective is None:
        return Advice(words="Nothing has to change.")
    return advice_for(facts, objective, advised) or advised[0]


def _by_objective(verdict: Verdict, outcome: ObjectiveOutcome, advice: Advice) -> Verdict:
    """Say first whether the objective holds."""
    return verdict.model_copy(update={"because": f"{outcome_words(outcome)}; {verdict.because}", "advice": advice})


def _of(finding: Finding) -> Verdict:
    return Verdict(**finding.model_dump(exclude={"share"}))


def _none(because: str, advice: Advice) -> Verdict:
    return Verdict(bottleneck="none", because=because, advice=advice)


def _free(facts: Facts) -> Verdict:
    """Say where the time went where nothing could be spared of it: the sentence that the shares give."""
    account = facts.run.attribution
    if account is None or not account.places:
        return _none(
            "the proxy's account of the requests could not be read",
            Advice(words="See whether the proxy answers at /-/pool and /-/ledger."),
        )
    first, *rest = account.places
    others = "".join(f", {PLACES[each.place].meaning} {each.share:.0%}" for each in rest[:3] if each.share >= 0.02)
    pool = facts.run.pool
    busy = f"; {busy_words(pool)}" if pool else ""
    queues = "; no queue took a tenth of it" if facts.share(Place.EVENT_LOOP, *QUEUES) < TENTH else ""
    because = (
        f"of {facts.users_ms:.0f} ms {first.share:.0%} were spent {PLACES[first.place].meaning}{others}{queues}{busy}"
    )
    only = {
        "upstream": "Only a quicker upstream makes this quicker. ",
        "network": "Only fewer round trips make this quicker. ",
    }.get(first.owner, "")
    more = "A higher rate" if facts.is_open else "More users"
    words = f"{only}{more} would show the next limit."
    found = {"place": first.place, "kind": first.kind, "owner": first.owner}
    return _none(because, Advice(words=words)).model_copy(update=found)
