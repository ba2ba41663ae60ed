"""A sandbox of fake parts, for the tests of the command line.

As a module: `SERVICES`, the sandbox's services with fake_part.py as their program. As a program:
`python fake_services.py sandbox ROOT ARGUMENTS...` is the command line, on a clone of such services.
"""

import sys
from dataclasses import replace
from pathlib import Path

from lab.backends.service_spec import ServiceSpec
from lab.backends.services import LOCUST as REAL_LOCUST
from lab.backends.services import SERVICES as REAL_SERVICES

PART = Path(__file__).with_name("fake_part.py")


def _fake(spec: ServiceSpec) -> ServiceSpec:
    return replace(spec, argv=(sys.executable, str(PART), spec.name, *(port.variable for port in spec.ports)))


SERVICES = tuple(map(_fake, REAL_SERVICES))
LOCUST = SERVICES[REAL_SERVICES.index(REAL_LOCUST)]


def sandbox(root: str, arguments: list[str]) -> int:
    """Be the command line."""
    from lab.backends.checkout import Checkout
    from lab.backends.workspace import Workspace
    from lab.cli.app import main as command

    return command(arguments, Workspace(Checkout(Path(root)), SERVICES, LOCUST))


if __name__ == "__main__":
    assert sys.argv[1] == "sandbox"
    sys.exit(sandbox(sys.argv[2], sys.argv[3:]))
