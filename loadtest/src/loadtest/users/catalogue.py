"""The kinds of users, by the names of their modules, and a load of them from its text."""

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from functools import cache

from lab.user_kind import weighted_kinds
from loadtest.users import kinds
from loadtest.users.kind import Kind
from service_kit.call_text import parse_call


@dataclass(frozen=True)
class UserKind:
    """A kind of user as it is set: its text, and its part of all users as a weight."""

    text: str
    weight: int
    kind: Kind


@cache
def known_kinds() -> dict[str, type[Kind]]:
    """Return every kind in the modules of the package, by its name."""
    return {
        module.name: next(
            item
            for item in vars(importlib.import_module(f"{kinds.__name__}.{module.name}")).values()
            if inspect.isclass(item) and issubclass(item, Kind) and not inspect.isabstract(item)
        )
        for module in pkgutil.iter_modules(kinds.__path__)
    }


def allowed_kinds() -> str:
    """Return an example of each, for messages and tables."""
    return f"{', '.join(kind.example for kind in known_kinds().values())}; several: 3 * closed; 1 * open(20/s)"


def parse_user_kinds(text: str) -> list[UserKind]:
    """Return the kinds of a load. A ValueError is one line about what is wrong."""
    found = [
        UserKind(part, weight, parse_call(part, known_kinds(), "a kind of user"))
        for weight, part in weighted_kinds(text)
    ]
    if len({each.text for each in found}) < len(found):
        raise ValueError("a kind is there twice")
    return found


def users_of_each(found: list[UserKind], users: int) -> list[int]:
    """Return how many of the users are of each kind: by weight, the largest remainders rounded up, one at least."""
    total = sum(each.weight for each in found)
    exact = [users * each.weight / total for each in found]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(found)), key=lambda index: counts[index] - exact[index])
    for index in by_remainder[: users - sum(counts)]:
        counts[index] += 1
    return [max(1, count) for count in counts]
