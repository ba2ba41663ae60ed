"""Other settings for a service while it runs, by `PUT /-/config`, where the service takes them."""

from collections.abc import Mapping

from lab.backends.service_http import put_document
from lab.backends.service_spec import ServiceSpec
from lab.live_settings import LiveChange


async def change_live(spec: ServiceSpec, url: str, changes: Mapping[str, str | None]) -> LiveChange | None:
    """Change a service whose /-/config is at `url`; None if it refuses, and then nothing was changed."""
    if not spec.takes_changes:
        return None
    config = await put_document(url, changes, spec.config)
    return None if config is None else LiveChange(config.revision)
