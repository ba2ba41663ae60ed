"""Two or more runs side by side: which settings differ, and how the outcomes differ. Pure."""

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from lab.comparison.concerns import concerns, moved
from lab.comparison.noise import THROUGHPUT_SPREAD, Change, PerSecond, change
from lab.emulation import EmulatorStats, Network
from lab.run_document import RunDocument
from lab.run_settings import OWN_TO_EACH_RUN, is_own_address, is_wiring, variables_of
from lab.wire.service import VariableValues
from lab.wording import LIMITS, changes, measured_ms, plain

_ENGINE = "network's engine"


class Difference(BaseModel):
    """A setting that is not the same in all runs; `values` are in the order of the runs, None where unset."""

    model_config = ConfigDict(frozen=True)

    name: str
    values: list[JsonValue]


class Outcome(BaseModel):
    """One figure of all runs. `ratios` are to the first run; None where a value is missing or the first is 0.

    `changes` are from the first run; None for itself, and where the noise of the figure is not known.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    values: list[float | None]
    ratios: list[float | None]
    changes: list[Change | None] = Field(default_factory=list)


class Comparison(BaseModel):
    """Runs side by side, compared with the first of them.

    `concerns`: why figures may differ for another reason than a setting. `versions`: of libraries that all runs have.
    `moved`: the users' time at the places where it became more or less, in ms of the mean request.
    """

    model_config = ConfigDict(frozen=True)

    runs: list[str]
    concerns: list[str] = Field(default_factory=list)
    versions: list[Difference] = Field(default_factory=list)
    settings: list[Difference]
    moved: list[Difference] = Field(default_factory=list)
    outcomes: list[Outcome]
    sentence: str


_FIGURES: list[tuple[str, str, Callable[[RunDocument], float | None]]] = [
    ("throughput", "requests/s", lambda run: run.totals.succeeded_rps),
    ("p50", "ms", lambda run: run.latency_ms.p50),
    ("p99", "ms", lambda run: run.latency_ms.p99),
    ("first byte, p50", "ms", lambda run: run.first_byte_ms.p50 if run.first_byte_ms else None),
    ("pool wait, mean", "ms", lambda run: run.pool.wait_ms.mean if run.pool else None),
    ("connections busy, mean", "", lambda run: run.pool.active_mean if run.pool else None),
    ("requests waiting, mean", "", lambda run: run.pool.waiting_mean if run.pool else None),
    ("connections opened", "", lambda run: run.pool.opened if run.pool else None),
    ("pool time-outs", "", lambda run: run.pool.timeouts if run.pool else None),
    ("requests", "", lambda run: run.totals.requests),
    ("failures", "", lambda run: run.totals.failures),
    (
        "failures/s",
        "",
        lambda run: run.totals.failures / run.window_seconds if run.window_seconds else None,
    ),
    ("proxy CPU", "cores", lambda run: run.cpu_cores.get("proxy")),
    ("Locust CPU", "cores", lambda run: run.cpu_cores.get("generator")),
]


_NOISE: dict[str, PerSecond] = {
    "throughput": PerSecond.rate(lambda point: point.requests - point.failures, THROUGHPUT_SPREAD),
    "p50": PerSecond(lambda point, _: point.p50_ms, 0.015, 0.5),
    "p99": PerSecond(lambda point, _: point.p99_ms, 0.09, 0.5),
    "first byte, p50": PerSecond(lambda point, _: point.first_byte_p50_ms, 0.015, 0.5),
    "connections busy, mean": PerSecond(lambda point, _: point.pool_active, 0.02, 0.1),
    "requests waiting, mean": PerSecond(lambda point, _: point.pool_waiting, 0.03, 0.1),
    "proxy CPU": PerSecond(lambda point, _: point.proxy_cpu_cores, 0.14, 0.005),
    "failures/s": PerSecond.rate(lambda point: point.failures, 0.1, counts=True),
}
"""The figures with a noise. Shares between runs are assumed, near what a dozen pairs of equal settings differed by."""

_WHERE_THERE_ARE: list[tuple[str, str, Callable[[RunDocument], float | None]]] = [
    (
        "round trip as measured",
        "ms",
        lambda run: _round_trip_ms(run.network),
    ),
    ("refused by the upstream's queue", "", lambda run: run.upstream.refused if run.upstream else None),
    ("faults injected", "", lambda run: _injected(run.upstream)),
    ("affected by the network", "", lambda run: _injected(run.link)),
]
"""Figures that are shown only where one of the runs has any."""


def compare(documents: Sequence[RunDocument]) -> Comparison:
    """Compare runs with the first of them. Needs at least two."""
    if len(documents) < 2:
        raise ValueError("a comparison needs at least two runs")
    settings = _differences([_settings(document) for document in documents])
    outcomes = [_outcome(name, unit, [figure(run) for run in documents]) for name, unit, figure in _FIGURES]
    outcomes = _with_changes(documents, outcomes)
    rare = [_outcome(name, unit, [figure(run) for run in documents]) for name, unit, figure in _WHERE_THERE_ARE]
    outcomes += [outcome for outcome in rare if any(outcome.values)]
    versions = [row for row in _differences([_versions(each) for each in documents]) if None not in row.values]
    return Comparison(
        runs=[document.label or document.id for document in documents],
        concerns=concerns(documents, [row.name for row in versions]),
        versions=versions,
        settings=settings,
        moved=[Difference(name=name, values=list(values)) for name, values in moved(documents)],
        outcomes=outcomes,
        sentence=_sentence(documents, settings, outcomes),
    )


def _with_changes(documents: Sequence[RunDocument], outcomes: list[Outcome]) -> list[Outcome]:
    """Add the changes of those figures that have a noise and are not 0 in all runs."""
    tested = sum(1 for each in outcomes if each.name in _NOISE and any(each.values)) * (len(documents) - 1)
    return [
        each.model_copy(update={"changes": _changes(documents, each, tested) if any(each.values) else []})
        for each in outcomes
    ]


def _changes(documents: Sequence[RunDocument], outcome: Outcome, tested: int) -> list[Change | None]:
    known = _NOISE.get(outcome.name)
    if known is None:
        return []
    noises = [known.noise(run, value) for run, value in zip(documents, outcome.values, strict=True)]
    first, before = noises[0], outcome.values[0]
    found: list[Change | None] = [None]
    for noise, value in zip(noises[1:], outcome.values[1:], strict=True):
        if first is None or noise is None or before is None or value is None:
            found.append(None)
        else:
            found.append(change(before, value, (first, noise), tested))
    return found


def _versions(document: RunDocument) -> VariableValues:
    return {
        f"{part}'s {library}": version
        for part, libraries in document.versions.items()
        for library, version in (libraries or {}).items()
    }


def _settings(document: RunDocument) -> VariableValues:
    changed = changes(document.settings)
    return (
        {"status": document.status, _ENGINE: _engine(document)}
        | {
            name: _shown_address(value) if name == "PROXY_UPSTREAM_URL" else value
            for name, value in variables_of(document.settings.start).items()
            if name not in OWN_TO_EACH_RUN and not is_wiring(name)
        }
        | {name: f"{plain(old)}, then {plain(new)}" for name, (old, new) in changed.items()}
    )


def _engine(document: RunDocument) -> str | None:
    """Return what emulated the network; None if nothing did, for then its conditions are the difference."""
    return document.network.engine if document.network and document.network.emulated else None


def _round_trip_ms(network: Network | None) -> float | None:
    return measured_ms(network) if network and network.emulated else None


def _injected(emulator: EmulatorStats | None) -> float | None:
    return sum(emulator.injected.values()) if emulator is not None and emulator.injected is not None else None


def _shown_address(url: JsonValue) -> JsonValue:
    """Return a URL as it is, but the sandbox's own upstream by one name, whichever port or alias it has."""
    return "the mock upstream" if is_own_address(url) else url


def _differences(settings: Sequence[VariableValues]) -> list[Difference]:
    names = sorted({name for one in settings for name in one})
    rows = [Difference(name=name, values=[one.get(name) for one in settings]) for name in names]
    return [row for row in rows if _differs(row)]


def _differs(row: Difference) -> bool:
    """An engine differs from another engine only; without any, the emulated conditions are the difference."""
    values = [value for value in row.values if value is not None] if row.name == _ENGINE else row.values
    return any(value != values[0] for value in values[1:])


def _outcome(name: str, unit: str, values: list[float | None]) -> Outcome:
    first = values[0]
    ratios = [value / first if value is not None and first else None for value in values]
    return Outcome(name=name, unit=unit, values=values, ratios=ratios)


def _sentence(documents: Sequence[RunDocument], settings: list[Difference], outcomes: list[Outcome]) -> str:
    first, last = documents[0], documents[-1]
    throughput = outcomes[0].ratios[-1]
    change = (
        f"{first.totals.succeeded_rps:.1f} -> {last.totals.succeeded_rps:.1f} requests/s"
        + (f" ({throughput:.2f} times)" if throughput is not None else "")
        + f", p50 {_ms(first.latency_ms.p50)} -> {_ms(last.latency_ms.p50)}"
    )
    if not settings:
        cause = "No setting differs"
    elif len(settings) == 1:
        values = " -> ".join(_shown(value) for value in settings[0].values)
        cause = f"One setting differs, {settings[0].name} {values}"
    else:
        cause = f"{len(settings)} settings differ ({', '.join(row.name for row in settings)})"
    changes = [each for outcome in outcomes for each in outcome.changes if each is not None]
    if changes and not any(each.differs for each in changes):
        change += "; no figure differs by more than its noise"
    limits = f"limited by {_limit(first)}, then by {_limit(last)}"
    return f"{cause}: {change}; {limits}."


def _limit(document: RunDocument) -> str:
    return LIMITS[document.verdict.bottleneck]


def _shown(value: JsonValue) -> str:
    return "unset" if value is None else str(value)


def _ms(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f} ms"
