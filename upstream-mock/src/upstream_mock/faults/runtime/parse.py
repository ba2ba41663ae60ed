"""UPSTREAM_FAULT: `NAME [rate=0.1] [from=5s] [to=10s] [path=/work] [first=3] [every=10] [its own]`, parted by `;`."""

import re
from collections.abc import Callable

from upstream_mock.duration import parse_duration
from upstream_mock.faults.runtime.fault import Fault, parameters, whole
from upstream_mock.faults.runtime.registry import discover, find, spelled
from upstream_mock.faults.runtime.rule import Rule

MOST_RULES = 32
MOST_CHARACTERS = 4096
MOST_REQUESTS = 1_000_000_000

Given = dict[str, object]


def names() -> str:
    """All faults, for a list."""
    return ", ".join(spelled(discover()))


def allowed() -> str:
    """What may stand in UPSTREAM_FAULT."""
    return f"{names()}; each with rate, from, to, path, first, every and its own"


def parse_rules(text: str, default_rate: float = 1.0) -> tuple[Rule, ...]:
    """The rules of `text`, none if it is blank; ValueError says in one line what is wrong with the first bad one."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"longer than {MOST_CHARACTERS} characters")
    pieces = [piece.strip() for piece in text.split(";") if piece.strip()]
    if len(pieces) > MOST_RULES:
        raise ValueError(f"more than {MOST_RULES} rules")
    rules = []
    for number, piece in enumerate(pieces, 1):
        try:
            rules.append(_rule(piece, default_rate))
        except ValueError as error:
            raise ValueError(f"rule {number}: {error}" if len(pieces) > 1 else str(error)) from None
    return tuple(rules)


def parse_fault(text: str) -> tuple[str, Fault]:
    """A name and the fault's own parameters, which is what one request may ask for; ValueError as above."""
    name, fault, _ = _parsed(text, {})
    return name, fault


def _rule(text: str, default_rate: float) -> Rule:
    given: Given
    name, fault, given = _parsed(text, _WHEN)
    rule = Rule(" ".join(text.split()), name, fault, **({"rate": default_rate} | given))  # type: ignore[arg-type]
    if rule.start >= rule.end:
        raise ValueError("from must lie before to")
    if rule.first is not None and rule.every is not None and rule.first < rule.every:
        raise ValueError(f"first={rule.first} with every={rule.every} never strikes")
    return rule


def _parsed(text: str, when: dict[str, tuple[str, Callable[[str], object]]]) -> tuple[str, Fault, Given]:
    name, *words = text.split() or [""]
    kind, own = find(name)
    known = parameters(kind)
    arguments: Given = dict(own)
    given: Given = {}
    seen = set()
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or (key not in known and key not in when):
            raise ValueError(f"{word!r} is nothing {name} takes; it takes {', '.join([*known, *when]) or 'nothing'}")
        if key in seen:
            raise ValueError(f"{key} comes twice")
        seen.add(key)
        try:
            if key in known:
                arguments[known[key].name] = known[key].metadata["parse"](value)
            else:
                field, parse = when[key]
                given[field] = parse(value)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    return name, kind(**arguments), given


def _share(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20}", text) or float(text) > 1:
        raise ValueError(f"{text!r} is not a number from 0 to 1")
    return float(text)


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"{text!r} does not begin with /")
    return text


def _number(text: str) -> int:
    return whole(text, 1, MOST_REQUESTS)


# A rule's words and the fields they fill.
_WHEN: dict[str, tuple[str, Callable[[str], object]]] = {
    "rate": ("rate", _share),
    "from": ("start", parse_duration),
    "to": ("end", parse_duration),
    "path": ("path", _path),
    "first": ("first", _number),
    "every": ("every", _number),
}
