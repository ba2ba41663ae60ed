"""What a page says and shows of one run. Pure."""

from collections.abc import Sequence

from lab.audit import audit_words
from lab.figures.audit import audit_picture
from lab.figures.distribution import distribution
from lab.figures.html_page import Cell, Section
from lab.figures.run_series import run_series
from lab.figures.waterfall import account_waterfall, slow_requests
from lab.prediction.words import outcome_rows
from lab.run_document import KindFigures, RunDocument
from lab.run_name import run_name
from lab.run_settings import parts_of
from lab.store import summarise
from lab.what_happened import pool_contradiction, what_happened
from lab.wording import LIMITS, busy_words, promise_words, value_text

_WATERFALL = (
    "What an average request spent its time with, one place after the other, and the same for the slowest 1 %. "
    "Red to yellow is the proxy's, green the upstream's, blue the network's, grey the load's."
)
_SERIES = "Each second of the run. The figures are of the marked part: all users are there, and none has left yet."
_DISTRIBUTION = (
    "The time within which a share of the requests was answered. To the right every step is a tenth of what is left, "
    "so that the few slow ones show."
)
_SLOWEST = (
    "The slowest requests that the proxy's ledger kept, each divided by what it spent its time with, from left to "
    "right. Named is where it was held up for the longest."
)
_KINDS = "An open kind has a schedule: its response times count from when a request was due, not from when it started."
_AUDIT = "Locust, the proxy and the upstream count for themselves. Their bars are of equal length if nothing was lost."


def run_sections(run: RunDocument) -> list[Section]:
    """Return verdict, account, seconds, response times, slowest requests, audit and settings: those there are."""
    sections = [_verdict(run), *_besides(run)]
    if run.kinds:
        sections.append(_kinds(run.kinds))
    if run.attribution is not None:
        sections.append(
            Section("Where the time went", paragraphs=[_WATERFALL], figures=[account_waterfall(run.attribution)])
        )
    if run.series:
        sections.append(Section("Second by second", paragraphs=[_SERIES], figures=[run_series(run)]))
    if run.latency_ms.histogram:
        texts = [_DISTRIBUTION, *(f"{name or 'It'} {text}." for name, text in _forecast(run))]
        sections.append(Section("Response times", paragraphs=texts, figures=[distribution([run])]))
    if run.ledger is not None and run.ledger.slowest:
        slowest = slow_requests(run.ledger.slowest)
        sections.append(Section("The slowest requests", paragraphs=[_SLOWEST], figures=[slowest]))
    if run.audit.checks or run.audit.missing:
        sections.append(_audit(run))
    return [*sections, _settings(run)]


def _verdict(run: RunDocument) -> Section:
    verdict = run.verdict
    because = verdict.because if run.objective is not None else verdict.because[:1].upper() + verdict.because[1:]
    promise = words[:1].upper() + words[1:] + "." if (words := promise_words(verdict.advice)) else ""
    return Section(
        heading=f"{run_name(run.label, run.started_at, run.id)}: limited by {LIMITS[verdict.bottleneck]}",
        facts=_facts(run),
        warnings=what_happened(run),
        paragraphs=[text for text in (f"{because}.", pool_contradiction(run), verdict.advice.words, promise) if text],
        lines=verdict.advice.env_lines,
    )


def _besides(run: RunDocument) -> list[Section]:
    """Return what else took time, and why the figures are not quite those of what was set."""
    verdict = run.verdict
    also = [f"Also ({one.share:.0%}): {one.because}. {one.advice.words}".strip() for one in verdict.also]
    caveats = [f"But: {one.because}." for one in verdict.caveats if one.about != verdict.bottleneck]
    return [Section(paragraphs=[*also, *caveats])] if also or caveats else []


def _kinds(kinds: Sequence[KindFigures]) -> Section:
    """Return a row for each kind of user; those with a schedule have what became of it."""
    rows: list[tuple[str | Cell, ...]] = []
    for one in kinds:
        failed = Cell(str(one.failures), "bad" if one.failures else "")
        latency = one.latency_ms
        row = (one.kind, str(one.requests), failed, f"{one.rps:.1f}", _ms(latency.p50), _ms(latency.p99))
        due = one.arrivals
        counts = (
            (str(due.scheduled), str(due.late), Cell(str(due.dropped), "bad" if due.dropped else "")) if due else ()
        )
        rows.append((*row, *(counts or ("-", "-", "-"))))
    heads = ("kind", "requests", "failed", "requests/s", "p50", "p99", "due", "started late", "dropped")
    return Section("Kinds of users", paragraphs=[_KINDS], rows=[heads, *rows])


def _facts(run: RunDocument) -> list[tuple[str, str]]:
    totals, latency, summary = run.totals, run.latency_ms, summarise(run)
    pool = f"{busy_words(run.pool)}, {run.pool.waiting_mean or 0:.1f} waiting" if run.pool else ""
    facts = [
        ("requests/s", f"{totals.succeeded_rps:.1f}"),
        ("p50", _ms(latency.p50)),
        ("p99", _ms(latency.p99)),
        ("failed", f"{totals.failures} of {totals.requests}"),
        ("pool", pool),
        ("users", str(run.users)),
        ("measured", f"{run.window_seconds:.0f} s"),
        ("client", summary.client),
        ("pattern", summary.pattern),
        ("keep-alive", "" if summary.keepalive is None else str(summary.keepalive)),
        ("upstream", summary.upstream),
        ("network", summary.network),
        ("started", f"{run.started_at:%Y-%m-%d %H:%M} UTC"),
    ]
    return [(name, text) for name, text in facts if text]


def _forecast(run: RunDocument) -> list[tuple[str, str]]:
    return [(name.capitalize() + ":" if name else "", text) for name, text in outcome_rows(run.prediction)]


def _audit(run: RunDocument) -> Section:
    words = audit_words(run.audit)
    rows = [
        (check.name, Cell(check.message, "bad" if check.difference else "good"), "no" if check.difference else "yes")
        for check in run.audit.checks
    ]
    return Section(
        "Does it add up?",
        paragraphs=[_AUDIT, f"{words[:1].upper()}{words[1:]}."],
        figures=[audit_picture(run)],
        rows=[("equation", "counted", "holds"), *rows] if rows else [],
        folded=bool(rows) and run.audit.agreed,
    )


def _settings(run: RunDocument) -> Section:
    rows: list[tuple[str | Cell, ...]] = []
    ends = zip(("load", "proxy", "network", "upstream"), parts_of(run.settings.start), strict=True)
    for name, settings in ends:
        rows.append((Cell(name, "group"), "" if settings is not None else "did not answer"))
        for variable, value in sorted((settings or {}).items()):
            follows = variable in run.settings.derived
            text = f"{value_text(value)}, which follows from others" if follows else value_text(value)
            rows.append((variable, Cell(text, "quiet" if value is None or follows else "")))
    for name, versions in run.versions.items():
        words = ", ".join(f"{library} {number}" for library, number in (versions or {}).items())
        rows.append((f"versions, {name}", words or "unknown"))
    return Section(heading="Settings", rows=[("variable", "value"), *rows], folded=True)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
