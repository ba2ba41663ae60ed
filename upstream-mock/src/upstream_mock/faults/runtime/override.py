"""What one request asks for: `?fault=NAME ...`, or the header x-upstream-fault."""

from urllib.parse import parse_qsl

from upstream_mock.asgi import OPTIONS_KEY, Scope

FAULT_HEADER = b"x-upstream-fault"


def may_ask(scope: Scope) -> bool:
    """Whether a second look is worth it; every request comes here."""
    if b"fault=" in scope["query_string"]:
        return True
    words = scope.get(OPTIONS_KEY)
    return words is not None and any(name == FAULT_HEADER for name, _ in words)


def asked(scope: Scope) -> tuple[str, str] | None:
    """Where it asks, and for what, if it does; the query goes before the header, an empty one asks for nothing."""
    if b"fault=" in scope["query_string"]:
        for name, text in parse_qsl(scope["query_string"].decode("latin-1")):
            if name == "fault" and text.strip():
                return name, text
    for header, value in scope.get(OPTIONS_KEY, ()):
        if header == FAULT_HEADER and value.strip():
            return FAULT_HEADER.decode(), value.decode("latin-1")
    return None
