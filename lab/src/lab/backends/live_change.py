"""Other settings for a service while it runs, by `PUT /-/config`, where the service takes them."""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.backends.service_http import SettingsInForce, config_of, put_object
from lab.backends.service_spec import ServiceSpec
from lab.backends.variables import without_empty


@dataclass(frozen=True)
class LiveChange:
    """A change that was made. `revision` is what /-/config has after it; another one: it was changed since."""

    revision: int | None

    def is_undisturbed(self, config: SettingsInForce) -> bool:
        return self.revision is not None and self.revision == config.revision


def differing(before: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables to change, None for one that is to have its default again."""
    before, wanted = without_empty(before), without_empty(wanted)
    return {name: wanted.get(name) for name in sorted({*before, *wanted}) if before.get(name) != wanted.get(name)}


async def change_live(spec: ServiceSpec, url: str, changes: Mapping[str, str | None]) -> LiveChange | None:
    """Change a service whose /-/config is at `url`; None if it refuses, and then nothing was changed."""
    if not spec.takes_changes:
        return None
    answer = await put_object(url, changes)
    return LiveChange(config_of(answer).revision) if answer else None
