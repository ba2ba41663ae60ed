"""The summary of a run that has ended."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.audit import audit_words
from lab.calling_pattern import FORWARD
from lab.cli.console import number
from lab.prediction.words import outcome_rows
from lab.run_document import RunDocument
from lab.wording import (
    busy_words,
    changed_words,
    executions_words,
    injected_words,
    kind_words,
    network_line,
    promise_words,
    upstream_words,
)

UNUSED_BY_PATTERNS = {"PROXY_CLIENT": "httpx", "PROXY_QUEUE": "client"}
"""Settings that do not concern a calling pattern, which makes its own client, and their defaults."""


def print_summary(console: Console, document: RunDocument, path: Path) -> None:
    """Print figures, verdict and audit of a run, where its document is, and what to do next."""
    name = f"{document.label} ({document.id})" if document.label else document.id
    console.print()
    console.print(Text(f"run {name}: {document.status}", style="bold"))
    console.print(_figures(document))
    console.print(_conclusions(document))
    console.print(Text(f"document  {path}"), soft_wrap=True)
    console.print(Text(f"compare   ./sandbox compare {document.label or document.id} <another run>"), soft_wrap=True)


def _figures(document: RunDocument) -> Table:
    totals, latency, pool = document.totals, document.latency_ms, document.pool
    table = _two_columns()
    _add_load(table, document)
    if document.tuning:
        table.add_row("tuned", f"the proxy, in {len(document.tuning)} ways, named in the document under tuning")
    if network := network_line(document.network, document.link):
        table.add_row("network", network)
    if document.network and (unlike := document.network.caveats):
        table.add_row("", Text(f"not as in reality: {len(unlike)} things, named in the document under network.caveats"))
    if upstream := upstream_words(document.settings.start.upstream):
        table.add_row("upstream", Text(upstream))
    if changed := changed_words(document.settings):
        table.add_row(Text("changed", style="bold"), Text(f"during the run: {changed}"))
    retried = f", {totals.retries} tries repeated by the proxy" if totals.retries else ""
    table.add_row("requests", f"{totals.requests}, {totals.failures} failed, {totals.rps:.1f} a second{retried}")
    table.add_row(
        "latency",
        f"p50 {number(latency.p50)}, p90 {number(latency.p90)}, p99 {number(latency.p99)}, "
        f"max {number(latency.max)} ms",
    )
    first = document.first_byte_ms
    if first is not None and first.p50 is not None and first.p50 < 0.9 * (latency.p50 or 0.0):
        table.add_row("", f"first byte: p50 {number(first.p50)}, p99 {number(first.p99)} ms")
    if pool is not None:
        table.add_row(
            "pool",
            f"{busy_words(pool)}, {number(pool.waiting_mean, 1)} requests waiting, "
            f"{number(pool.wait_ms.mean)} ms wait (means)"
            + (f"; {pool.leaked} held by requests that are over" if pool.leaked else "")
            + (f"; {pool.lost} held by no request" if pool.lost else ""),
        )
    if document.phases_ms is not None:
        table.add_row("time", phases_line(document))
    for name, text in outcome_rows(document.prediction):
        table.add_row(name, Text(text))
    if document.errors:
        of = " (in the whole run)" if document.whole and document.whole.failures != totals.failures else ""
        table.add_row("errors", ", ".join(f"{kind}: {count}" for kind, count in document.errors.items()) + of)
    if injected := injected_words(document.link, document.upstream):
        table.add_row("injected", Text(injected))
    return table


def _add_load(table: Table, document: RunDocument) -> None:
    table.add_row("load", f"{document.users} users, {_measured(document)}{_pattern(document)}")
    for row in document.kinds:
        table.add_row("", Text(kind_words(row)))
    if (executed := document.witnesses.executions) is not None:
        table.add_row("executed", Text(executions_words(executed)))


def _measured(document: RunDocument) -> str:
    """Name the seconds that the figures are of, and why they are not between ramp and drain."""
    seconds = f"{document.window_seconds:.0f} s measured"
    window = document.window
    return seconds if window is None or window.steady else f"{seconds} with ramp and drain: {window.because}"


def _pattern(document: RunDocument) -> str:
    """Name the calling pattern, if it was one, and what of the settings does not concern it."""
    start = document.settings.start
    name = (start.load or {}).get("LAB_PATTERN", FORWARD)
    if name == FORWARD:
        return ""
    proxy = start.proxy or {}
    unused = [each for each, default in UNUSED_BY_PATTERNS.items() if proxy.get(each, default) != default]
    without = f", which has a client of its own: {' and '.join(unused)} unused" if unused else ""
    return f", by the pattern {name}{without}"


def phases_line(document: RunDocument) -> str:
    """Return where the time went, in the mean and for the slowest: only phases that took some of it."""
    phases = {
        name: phase for name, phase in (document.phases_ms or {}).items() if phase is not None and name != "total"
    }
    means = [f"{name} {phase.mean:.1f}" for name, phase in phases.items() if phase.mean and phase.mean >= 0.1]
    shares = sorted(((phase.share_of_slowest or 0.0, name) for name, phase in phases.items()), reverse=True)
    slowest = [f"{name} {share:.0%}" for share, name in shares if share >= 0.02]
    line = f"{', '.join(means) or 'under 0.1'} ms (means)"
    return f"{line}; slowest 1 %: {', '.join(slowest)}" if slowest else line


def _conclusions(document: RunDocument) -> Table:
    verdict = document.verdict
    table = _two_columns()
    table.add_row(Text("verdict", style="bold"), Text(f"{verdict.bottleneck}: {verdict.because}"))
    table.add_row("", Text(verdict.advice.words))
    if promise := promise_words(verdict.advice):
        table.add_row("", Text(promise))
    for line in verdict.advice.env_lines:
        table.add_row("", Text(line, style="bold"))
    for finding in verdict.also:
        table.add_row("also", Text(f"{finding.bottleneck} ({finding.share:.0%}): {finding.because}"))
    for caveat in verdict.caveats:
        table.add_row("but", Text(caveat.because))
        if caveat.advice is not None:
            table.add_row("", Text(caveat.advice.words))
    table.add_row(Text("audit", style="bold"), Text(audit_words(document.audit)))
    for note in document.notes:
        table.add_row("note", Text(note))
    return table


def _two_columns() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=8)
    table.add_column()
    return table
