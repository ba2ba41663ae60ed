"""bench/fuzz.py's rules over a short run of its grammar, with each of uvicorn's parsers."""

from collections.abc import Iterator

import pytest
from fuzz import PARSERS, Fuzzed, each_variant, fuzzed
from fuzz_grammar import CASES, Case
from hypothesis import HealthCheck, given, settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=PARSERS)
def proxy(request: pytest.FixtureRequest) -> Iterator[Fuzzed]:
    with fuzzed(request.param) as running:
        yield running
        running.settle()


def test_every_variant_alone(proxy: Fuzzed) -> None:
    """Between two usual requests."""
    wrong = {}
    for name, case in each_variant():
        try:
            proxy.check(case)
        except Exception as error:
            wrong[name] = error
    assert not wrong


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(case=CASES)
def test_whatever_a_caller_sends(proxy: Fuzzed, case: Case) -> None:
    """Answers are whole, one for each request the upstream had, none is a 5xx."""
    proxy.check(case)
