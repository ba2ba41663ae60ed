"""The report of runs: what a page says and shows of each, and of several side by side. Pure."""

from collections.abc import Sequence

from lab.comparison.compare import compare
from lab.figures.audit import audit_picture
from lab.figures.distribution import distribution
from lab.figures.html_page import Section
from lab.figures.run_series import run_series
from lab.figures.side_by_side import differences, overlaid, time_of_each
from lab.figures.waterfall import account_waterfall, slow_requests
from lab.run_document import RunDocument
from lab.run_name import run_name
from lab.run_settings import variables_of
from lab.wording import LIMITS, promise_words, value_text

_WATERFALL = (
    "What an average request spent its time with, one place after the other, and the same for the slowest 1 %. "
    "Red to yellow is the proxy's, green the upstream's, blue the network's, grey the load's."
)
_SERIES = "Each second of the run. This report is of the marked part: all users are there, and none has left yet."
_DISTRIBUTION = (
    "The time within which a share of the requests was answered. To the right every step is a tenth of what is left, "
    "so that the few slow ones show."
)
_SLOWEST = "The slowest requests that the proxy's ledger kept, each divided by what it spent its time with."
_DIFFERENCES = (
    "Each figure as a multiple of the first run's, with its interval. In grey: no more than its noise, or not known."
)
_TIME_OF_EACH = "What the mean request of each run spent its time with."
_AUDIT = "Locust, the proxy and the upstream count for themselves. Each pair of bars should be of equal length."


def report_sections(runs: Sequence[RunDocument]) -> list[Section]:
    """Return the comparison, where there are several runs, and the sections of each run."""
    several = _comparison(runs) if len(runs) > 1 else []
    return [*several, *(section for run in runs for section in _of_run(run))]


def _comparison(runs: Sequence[RunDocument]) -> list[Section]:
    found = compare(runs)
    settings = [(one.name, *[value_text(value) for value in one.values]) for one in found.settings]
    outcomes = [
        (f"{one.name} {one.unit}".strip(), *["-" if value is None else f"{value:.4g}" for value in one.values])
        for one in found.outcomes
        if any(value is not None for value in one.values)
    ]
    rows = [("", *found.runs), *settings, *outcomes]
    texts = [found.sentence, *(f"Beware: {one}." for one in found.concerns)]
    sections = [Section("Side by side", texts, rows=rows)]
    if len(found.runs) > 1:
        sections.append(Section("What differs", [_DIFFERENCES, found.noise], figures=[differences(found)]))
    if any(run.attribution is not None for run in runs):
        sections.append(Section("Where the time of each goes", [_TIME_OF_EACH], figures=[time_of_each(runs)]))
    return [*sections, Section("Their seconds and their response times", figures=[overlaid(runs), distribution(runs)])]


def _of_run(run: RunDocument) -> list[Section]:
    sections = [_verdict(run)]
    if run.attribution is not None:
        sections.append(Section("Where the time went", [_WATERFALL], figures=[account_waterfall(run.attribution)]))
    if run.series:
        sections.append(Section("Second by second", [_SERIES], figures=[run_series(run)]))
    if run.latency_ms.histogram:
        sections.append(Section("Response times", [_DISTRIBUTION], figures=[distribution([run])]))
    if run.ledger is not None and run.ledger.slowest:
        sections.append(Section("The slowest requests", [_SLOWEST], figures=[slow_requests(run.ledger.slowest)]))
    if run.audit.checks:
        agreed = "All of them agree." if run.audit.agreed else "They do not agree."
        sections.append(Section("Does it add up?", [_AUDIT, agreed], figures=[audit_picture(run.audit)]))
    return [*sections, _settings(run)]


def _verdict(run: RunDocument) -> Section:
    verdict, totals, latency = run.verdict, run.totals, run.latency_ms
    figures = (
        f"{run.users} users, {run.window_seconds:.0f} s: {totals.succeeded_rps:.1f} requests a second, "
        f"{totals.failures} of {totals.requests} failed, p50 {latency.p50 or 0:.0f} ms, p99 {latency.p99 or 0:.0f} ms."
    )
    because = verdict.because if run.objective is not None else verdict.because[:1].upper() + verdict.because[1:]
    also = [f"Also ({one.share:.0%}): {one.because}." for one in verdict.also]
    caveats = [f"But: {one.because}." for one in verdict.caveats]
    promise = words[:1].upper() + words[1:] + "." if (words := promise_words(verdict.advice)) else ""
    return Section(
        heading=f"{run_name(run.label, run.started_at, run.id)}: limited by {LIMITS[verdict.bottleneck]}",
        paragraphs=[text for text in (figures, f"{because}.", *also, *caveats, verdict.advice.words, promise) if text],
        lines=verdict.advice.env_lines,
    )


def _settings(run: RunDocument) -> Section:
    rows = [(name, value_text(value)) for name, value in sorted(variables_of(run.settings.start).items())]
    return Section(heading="Settings", rows=[("variable", "value"), *rows], folded=True)
