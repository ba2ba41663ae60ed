"""The settings of a run: which of them say anything about it, and which only where it was made. Pure."""

import re
from urllib.parse import urlsplit

from pydantic import JsonValue

from lab.run_document import PartSettings
from lab.wire.service import VariableValues
from lab.wording import PARTS

OWN_TO_EACH_RUN = frozenset({"LAB_RUN_ID", "LAB_RUN_LABEL", "LAB_PROGRESS", "LAB_RUNS_DIR", "LOCUST_HEADLESS"})
"""Settings that differ between any two runs and explain nothing."""

_WIRING = re.compile(r"_(?:HOST|PORT|CONTROL_URL|CA_FILE|ADMIN)$")
_OWN_HOSTS = frozenset({"127.0.0.1", "localhost", "::1", "upstream-mock", "proxy"})


def variables_of(settings: PartSettings) -> VariableValues:
    """Return the variables of all parts that answered."""
    return {name: value for part in PARTS for name, value in (getattr(settings, part) or {}).items()}


def is_wiring(variable: str) -> bool:
    """Whether it is where a part listens: other in Compose than as processes, and no cause of anything."""
    return _WIRING.search(variable) is not None


def is_own_address(url: JsonValue) -> bool:
    """Whether a URL leads to the sandbox's own services, whichever port or alias they have."""
    return isinstance(url, str) and urlsplit(url).hostname in _OWN_HOSTS
