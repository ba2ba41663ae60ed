"""What every command works with: the checkout, its services, and where its settings come from."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import lab
from lab.backends.checkout import Checkout
from lab.backends.control_socket import SupervisorClient
from lab.backends.service_spec import ServiceSpec
from lab.backends.services import LOCUST, SERVICES
from lab.backends.variables import Variables, merge, only_sandbox_variables, read_env_file

Mode = Literal["docker", "processes"]

MODE_WORDS: dict[Mode, str] = {"docker": "in Docker", "processes": "as processes"}


def this_checkout() -> Checkout:
    """Return the checkout whose .venv this runs in, or else the one that this package is in."""
    root = Path(sys.prefix).parent
    return Checkout(root if (root / "sandbox").is_file() else Path(lab.__file__).resolve().parents[3])


@dataclass(frozen=True)
class Workspace:
    """A checkout and its services; `load` is the one of them that makes the load."""

    checkout: Checkout = field(default_factory=this_checkout)
    services: Sequence[ServiceSpec] = SERVICES
    load: ServiceSpec = LOCUST

    @property
    def under_load(self) -> Sequence[ServiceSpec]:
        return [spec for spec in self.services if spec.name != self.load.name]

    @property
    def supervisor(self) -> SupervisorClient:
        return SupervisorClient(self.checkout.find_socket())

    @cached_property
    def shell(self) -> Variables:
        """The sandbox's variables in the shell of this command."""
        return only_sandbox_variables(os.environ)

    def baseline(self, shell_of_up: Variables | None = None) -> Variables:
        """Return .env as it is now, under the shell in which `up` ran, under the shell of this command."""
        return merge(self._env_file, shell_of_up or {}, self.shell)

    @cached_property
    def _env_file(self) -> Variables:
        return read_env_file(self.checkout.env_file)
