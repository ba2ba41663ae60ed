from types import SimpleNamespace
from typing import cast

import pytest

from poolwatch.trace import RequestTrace
from proxy.clients.interface import Outbound
from proxy.errors import ProxyError
from proxy.forward.retry import may_repeat, was_stale


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
def test_an_idempotent_request_without_body_may_be_repeated(method: str) -> None:
    """RFC 9110 section 9.2.2; not with a body, which has been read by then."""
    assert may_repeat(Outbound(method, b"/", [], has_body=False))
    assert not may_repeat(Outbound(method, b"/", [], has_body=True))


@pytest.mark.parametrize("method", ["POST", "PATCH", "PROPFIND", "M-SEARCH", "get"])
def test_any_other_method_is_never_repeated(method: str) -> None:
    """Nobody says that it may be."""
    assert not may_repeat(Outbound(method, b"/", [], has_body=False))


@pytest.mark.parametrize(
    ("code", "kept", "received", "stale"),
    [
        ("upstream_closed", True, False, True),
        ("upstream_reset", True, False, True),
        ("upstream_closed", False, False, False),
        ("upstream_closed", True, True, False),
        ("upstream_read_timeout", True, False, False),
        ("upstream_protocol_error", True, False, False),
        ("pool_exhausted", True, False, False),
    ],
)
def test_only_a_kept_connection_that_was_closed_unheard_is_stale(
    code: str, kept: bool, received: bool, stale: bool
) -> None:
    """A time-out may have been executed, a new connection was not stale, an answer that began was one."""
    trace = cast("RequestTrace", SimpleNamespace(kept=kept, received=received))
    assert was_stale(ProxyError(code), trace) is stale
