"""Other settings for a service while it runs, by `PUT /-/config`, where the service takes them."""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.backends.service_http import put_document
from lab.backends.service_spec import ServiceSpec
from lab.backends.variables import without_empty
from lab.wire.service import ServiceConfig


@dataclass(frozen=True)
class LiveChange:
    """A change that was made. `revision` is what /-/config has after it; another one: it was changed since."""

    revision: int | None


def is_altered(config: ServiceConfig, change: LiveChange | None) -> bool:
    """Whether somebody else changed a service over HTTP since it was started, or since that change of ours."""
    return config.changed if change is None else change.revision is None or change.revision != config.revision


def differing(before: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables to change, None for one that is to have its default again."""
    before, wanted = without_empty(before), without_empty(wanted)
    return {name: wanted.get(name) for name in sorted({*before, *wanted}) if before.get(name) != wanted.get(name)}


async def change_live(spec: ServiceSpec, url: str, changes: Mapping[str, str | None]) -> LiveChange | None:
    """Change a service whose /-/config is at `url`; None if it refuses, and then nothing was changed."""
    if not spec.takes_changes:
        return None
    config = await put_document(url, changes, spec.config)
    return None if config is None else LiveChange(config.revision)
