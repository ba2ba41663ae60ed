"""The settings that are not the same in all runs: changed ones, those that follow from others, versions. Pure."""

from collections.abc import Sequence

from pydantic import JsonValue

from lab.document_part import DocumentPart
from lab.run_document import RunDocument
from lab.run_settings import OWN_TO_EACH_RUN, changes, is_own_address, is_wiring, variables_of
from lab.wire.service import VariableValues
from lab.wording import value_text

_ENGINE = "network's engine"


class Difference(DocumentPart):
    """Something that is not the same in all runs; `values` are in the order of the runs, None where unset."""

    name: str
    values: list[JsonValue]


def settings_of(run: RunDocument) -> VariableValues:
    """Return what may be a cause: the variables of all parts, what was changed meanwhile, and how the run ended."""
    return (
        {"status": run.status, _ENGINE: _engine(run)}
        | {
            name: _shown_address(value) if name == "PROXY_UPSTREAM_URL" else value
            for name, value in variables_of(run.settings.start).items()
            if name not in OWN_TO_EACH_RUN and not is_wiring(name)
        }
        | {name: f"{value_text(old)}, then {value_text(new)}" for name, (old, new) in changes(run.settings).items()}
    )


def versions_of(run: RunDocument) -> VariableValues:
    return {
        f"{part}'s {library}": version
        for part, libraries in run.versions.items()
        for library, version in (libraries or {}).items()
    }


def changed_and_derived(runs: Sequence[RunDocument]) -> tuple[list[Difference], list[Difference]]:
    """Return the settings that differ, and apart those that were set in none of the runs but follow from others."""
    rows = _differences([settings_of(run) for run in runs])
    derived = [row for row in rows if all(row.name in run.settings.derived for run in runs)]
    return [row for row in rows if row not in derived], derived


def differing_versions(runs: Sequence[RunDocument]) -> list[Difference]:
    """Return the versions that differ, of libraries that all runs have."""
    return [row for row in _differences([versions_of(run) for run in runs]) if None not in row.values]


def _engine(run: RunDocument) -> str | None:
    """Return what emulated the network; None if nothing did, for then its conditions are the difference."""
    return run.network.engine if run.network and run.network.emulated else None


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
