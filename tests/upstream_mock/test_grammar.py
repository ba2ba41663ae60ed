"""The mock takes and refuses what the proxy's parsers do."""

from support.mock_upstream import RunMock
from support.odd_requests import OLD, REFUSED, VALID
from support.raw_http import roundtrip, statuses

NEXT = b"GET /get HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
NOT_THE_MOCKS = {"fragment", "relative target", "authority as target", "asterisk", "CONNECT"}
"""Targets that the proxy cannot forward; the mock answers 404."""


async def test_what_looks_odd_and_is_valid_is_answered(run_mock: RunMock) -> None:
    """Each request, and the one behind it."""
    async with run_mock(latency="constant(0ms)") as running:
        for name, sent in VALID.items():
            raw = sent.raw.replace(b"/odd", b"/anything", 1)
            first, second = statuses(await roundtrip(running.data, raw + NEXT))
            assert (first in (200, 405), second) == (True, 200), name
        for name, sent in OLD.items():
            raw = sent.raw.replace(b"/odd", b"/anything", 1)
            assert statuses(await roundtrip(running.data, raw)) == [200], name


async def test_what_is_not_a_request_is_refused(run_mock: RunMock) -> None:
    """By one answer, and what follows is not read; none of it is counted as a request."""
    async with run_mock(latency="constant(0ms)") as running:
        wrong = {}
        for name, (status, raw) in REFUSED.items():
            if not any(name.endswith(target) for target in NOT_THE_MOCKS):
                answer = await roundtrip(running.data, raw + NEXT)
                if statuses(answer) != [status]:
                    wrong[name] = answer[:200]
        assert not wrong
