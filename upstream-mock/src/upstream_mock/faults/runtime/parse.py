"""UPSTREAM_FAULT: `NAME [rate=0.1] [from=5s] [to=10s] [path=/work] [first=3] [every=10] [its own]`, parted by `;`."""

import json
import re
from collections.abc import Callable

from service_kit.duration import parse_duration
from upstream_mock.faults.runtime.fault import Fault, parameters, whole
from upstream_mock.faults.runtime.registry import discover, find, spelled
from upstream_mock.faults.runtime.rule import Rule

MOST_RULES = 32
MOST_CHARACTERS = 4096
MOST_REQUESTS = 1_000_000_000

Given = dict[str, object]


def names() -> str:
    return ", ".join(spelled(discover()))


def allowed() -> str:
    return f"{names()}; each with rate, from, to, path, first, every and its own"


def parse_rules(text: str, default_rate: float = 1.0) -> tuple[Rule, ...]:
    """The rules of `text`, none if it is blank; a ValueError is one line about the first bad one."""
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


def rules_text(body: bytes, content_type: str) -> str:
    """The rules in the body of PUT /-/faults; a ValueError is one line about what is wrong with it.

    JSON, by its content type, is `{"rules": ["NAME ...", ...]}`, as GET shows it, or one text in place of the list.
    Anything else is the text itself; an empty one, or an empty list, is no rules.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    return _text_of_json(text) if "json" in content_type else text


def _text_of_json(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    rules = document["rules"] if isinstance(document, dict) and set(document) == {"rules"} else None
    if isinstance(rules, str):
        return rules
    if not isinstance(rules, list) or not all(isinstance(rule, str) and rule.strip() for rule in rules):
        raise ValueError('not {"rules": ["NAME ...", ...]}')
    return ";".join(rules)


def parse_fault(text: str) -> tuple[str, Fault]:
    """A name and the fault with its own parameters, which is all that one request may ask for; ValueError as above."""
    name, fault, _ = _parsed(text, {})
    return name, fault


def _rule(text: str, default_rate: float) -> Rule:
    given: Given
    name, fault, given = _parsed(text, _WHEN)
    rule = Rule(" ".join(text.split()), name, fault, **({"rate": default_rate} | given))  # type: ignore[arg-type]
    if rule.start >= rule.end:
        raise ValueError("from must lie before to")
    if rule.first is not None and rule.every is not None and rule.first < rule.every:
        raise ValueError(f"first={rule.first} with every={rule.every} never applies")
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
            raise ValueError(
                f"{word!r} is no parameter of {name}, which takes {', '.join([*known, *when]) or 'nothing'}"
            )
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


# A rule's keys and the fields they set.
_WHEN: dict[str, tuple[str, Callable[[str], object]]] = {
    "rate": ("rate", _share),
    "from": ("start", parse_duration),
    "to": ("end", parse_duration),
    "path": ("path", _path),
    "first": ("first", _number),
    "every": ("every", _number),
}
