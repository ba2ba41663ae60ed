"""What every command works with: the clone, its services, and where its settings come from."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer

import lab
from lab.backends.checkout import Clone
from lab.backends.precedence import Variables, merge, read_env_file
from lab.backends.processes.control_socket import Supervised
from lab.backends.service_spec import ServiceSpec
from lab.backends.services import LOCUST, SERVICES
from lab.backends.variables import only_sandbox_variables


def this_clone() -> Clone:
    """Return the checkout that this package lies in."""
    return Clone(Path(lab.__file__).resolve().parents[3])


@dataclass(frozen=True)
class Workspace:
    """A clone and its services; `load` is the one of them that makes the load."""

    clone: Clone = field(default_factory=this_clone)
    services: Sequence[ServiceSpec] = SERVICES
    load: ServiceSpec = LOCUST

    @property
    def under_load(self) -> Sequence[ServiceSpec]:
        """The services without the load's."""
        return [spec for spec in self.services if spec.name != self.load.name]

    @property
    def supervised(self) -> Supervised:
        """The supervisor of this clone, up or not."""
        return Supervised(self.clone.find_socket())

    def shell(self) -> Variables:
        """Return the sandbox's variables in the shell of this command."""
        return only_sandbox_variables(os.environ)

    def baseline(self, shell_of_up: Variables | None = None) -> Variables:
        """Return .env as it is now, under the shell in which `up` ran, under the shell of this command."""
        return merge(read_env_file(self.clone.env_file), shell_of_up or {}, self.shell())


def workspace_of(context: typer.Context) -> Workspace:
    """Return the workspace that `main` gave to the commands."""
    found = context.obj
    assert isinstance(found, Workspace)
    return found
