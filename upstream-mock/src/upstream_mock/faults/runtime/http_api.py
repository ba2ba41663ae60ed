"""PUT /-/faults: rules as UPSTREAM_FAULT's text, or as JSON."""

import json

from fastapi import Request

from upstream_mock.faults.runtime.parse import MOST_CHARACTERS


async def rules_of(request: Request) -> str:
    """The text of the rules a request brings; ValueError says in one line what is wrong with it.

    JSON, told by its content type, is `{"rules": ["NAME ...", ...]}`, as GET shows it, or one text in place of the
    list. Anything else is the text itself; an empty one, or an empty list, is no rules.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > 2 * MOST_CHARACTERS:
            raise ValueError(f"longer than {MOST_CHARACTERS} characters")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    return _of_json(text) if "json" in request.headers.get("content-type", "") else text


def _of_json(text: str) -> str:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    rules = said["rules"] if isinstance(said, dict) and set(said) == {"rules"} else None
    if isinstance(rules, str):
        return rules
    if not isinstance(rules, list) or not all(isinstance(rule, str) and rule.strip() for rule in rules):
        raise ValueError('not {"rules": ["NAME ...", ...]}')
    return ";".join(rules)
