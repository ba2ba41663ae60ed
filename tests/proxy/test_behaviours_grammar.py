"""What is a request and what is none, whichever parser reads it."""

from support.behaviours import Stand, behaviour
from support.odd_requests import OLD, REFUSED, VALID, Valid
from support.raw_http import RawUpstream, get, roundtrip, split, statuses


def wrong_with(sent: Valid, upstream: RawUpstream, before: int) -> str:
    """Return what differs from what is to arrive, empty if nothing does."""
    if len(upstream.exchanges) == before:
        return "nothing arrived"
    exchange = upstream.exchanges[before]
    arrived = [exchange.request_line.split(b" ")[0], exchange.body, *[exchange.header(name) for name, _ in sent.fields]]
    expected = [sent.method, sent.body, *[[value] for _, value in sent.fields]]
    return "" if arrived == expected else f"{arrived} for {expected}"


@behaviour(44)
async def test_what_looks_odd_and_is_valid_goes_on(stand: Stand) -> None:
    """And the request behind it as well: its end was found."""
    wrong = {}
    async with stand.open() as (upstream, proxy):
        for name, sent in VALID.items():
            before = len(upstream.exchanges)
            answers = await roundtrip(proxy.port, sent.raw + get("/next"))
            wrong[name] = wrong_with(sent, upstream, before)
            if statuses(answers) != [200, 200] or upstream.exchanges[-1].request_line != b"GET /next HTTP/1.1":
                wrong[name] = str(answers[:200])
    assert not {name: text for name, text in wrong.items() if text}


@behaviour(44)
async def test_http_1_0_has_rules_of_its_own(stand: Stand) -> None:
    """No Host, no 100, no upgrade; and one request a connection."""
    async with stand.open() as (upstream, proxy):
        for name, sent in OLD.items():
            before = len(upstream.exchanges)
            assert statuses(await roundtrip(proxy.port, sent.raw)) == [200], name
            assert not wrong_with(sent, upstream, before), name


@behaviour(44)
async def test_what_is_not_a_request_is_refused(stand: Stand) -> None:
    """By one answer of the proxy's own, and what follows is not read."""
    wrong = {}
    async with stand.open() as (upstream, proxy):
        for name, (status, raw) in REFUSED.items():
            answer = await roundtrip(proxy.port, raw + get("/smuggled"))
            if statuses(answer) != [status] or b"x-proxy-error" not in dict(split(answer)[1]):
                wrong[name] = answer[:200]
        assert not wrong
        assert upstream.exchanges == []
        codes = {
            400: "bad_request",
            414: "target_too_long",
            431: "headers_too_large",
            501: "not_implemented",
            505: "http_version_not_supported",
        }
        refused = [status for status, _ in REFUSED.values()]
        errors = (await proxy.pool())["errors"]
        assert {code: errors[code] for code in codes.values()} == {codes[s]: refused.count(s) for s in codes}


@behaviour(17, differs={"aiohttp": "a method that is not in upper case is refused with 400"})
async def test_a_method_goes_on_as_it_is_written(stand: Stand) -> None:
    """Methods are case-sensitive (RFC 9110 section 9.1)."""
    async with stand.open() as (upstream, proxy):
        for method in ("get", "Frobnicate"):
            assert split(await roundtrip(proxy.port, get(method=method)))[0] == 200
            assert upstream.exchanges[-1].request_line == f"{method} / HTTP/1.1".encode()
