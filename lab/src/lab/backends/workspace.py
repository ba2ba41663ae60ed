"""What every command works with: the checkout, its services, and where its settings come from."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    """Return the checkout that this package is in."""
    return Checkout(Path(lab.__file__).resolve().parents[3])


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

    def shell(self) -> Variables:
        return only_sandbox_variables(os.environ)

    def baseline(self, shell_of_up: Variables | None = None) -> Variables:
        """Return .env as it is now, under the shell in which `up` ran, under the shell of this command."""
        return merge(read_env_file(self.checkout.env_file), shell_of_up or {}, self.shell())
