"""What a request may ask for itself, and that it changes nothing for the others."""

import asyncio
import random

import httpx
import pytest

from support.mock_upstream import RunMock, Running
from upstream_mock.asgi import OPTIONS_KEY
from upstream_mock.latency.distribution import Distribution, LatencySampler
from upstream_mock.latency.parse import parse_latency
from upstream_mock.payload import Payload
from upstream_mock.request_overrides import KEPT, MAX_BYTES, BadOverrideError, Overrides
from upstream_mock.work import server_timing
from upstream_mock.work_response import WorkResponse


def work_ms(answer: httpx.Response) -> float:
    """The latency that was drawn, as Server-Timing has it."""
    parts = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    return float(parts["work"])


def client_of(running: Running) -> httpx.AsyncClient:
    """A client of a mock."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.data}")


@pytest.mark.parametrize("concurrency", [1, 50])
@pytest.mark.slow
async def test_the_sequence_is_the_seeds_whatever_the_load(
    run_mock: RunMock, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    """300 requests, a third of them with a latency of their own or refused: each used up one draw of the sequence."""
    seed, count, own = 5, 300, "uniform(0ms,8ms)"
    expected, ours = LatencySampler(parse_latency("uniform(0ms, 4ms)"), seed), parse_latency(own)

    drawn: list[float] = []
    reported_ms: list[float] = []
    turn = asyncio.Semaphore(concurrency)
    limits = httpx.Limits(max_connections=concurrency)
    async with run_mock(latency="uniform(0ms, 4ms)", seed=seed) as running:
        draw = running.mock.latency.draw

        def remember(own: Distribution | None = None) -> float:
            drawn.append(draw(own))
            return drawn[-1]

        monkeypatch.setattr(running.mock.latency, "draw", remember)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.data}", limits=limits) as client:

            async def one(number: int) -> None:
                target = ("/work", "/work", f"/work?latency={own}", "/work?latency=x")[number % 4]
                async with turn:
                    answer = await client.get(target)
                if number % 4 == 3:
                    assert answer.status_code == 400
                else:
                    reported_ms.append(work_ms(answer))

            await asyncio.gather(*map(one, range(count)))
        following = draw()
    # What was reported is what was drawn; a refused request has no report.
    assert len(drawn) == count
    assert all(any(abs(ms - each * 1e3) < 0.001 for each in drawn) for ms in reported_ms)
    wanted = [expected.draw() for _ in range(count)]
    doubled = sum(pytest.approx(2 * base) == each for each, base in zip(drawn, wanted, strict=True))
    assert doubled == count // 4
    assert all(each in (pytest.approx(base), pytest.approx(2 * base)) for each, base in zip(drawn, wanted, strict=True))
    assert following == expected.draw()
    assert ours.quantile(0.5) == pytest.approx(0.004)


GOOD = {
    "latency": "constant(3ms)",
    "status": "418",
    "bytes": "9",
    "chunks": "3",
    "chunk_gap_ms": "0.5",
    "encoding": "gzip",
    "framing": "chunked",
    "trailers": "true",
    "content": "sse",
}


@pytest.mark.parametrize("by_header", [False, True])
async def test_a_request_has_its_way(run_mock: RunMock, by_header: bool) -> None:
    """By query or by header, one name at a time; the next request has the environment's again."""
    async with run_mock(latency="constant(0ms)") as running, client_of(running) as client:
        plain = await client.get("/work")
        got = {}
        for name, value in GOOD.items():
            given = {f"x-upstream-{name.replace('_', '-')}": value} if by_header else {}
            got[name] = await client.post(
                "/work" if by_header else f"/work?{name}={value}&n=1", headers=given, content=b"x" * 70_000
            )
            again = await client.get("/work")
            assert (again.status_code, again.content) == (200, plain.content)
        assert work_ms(got["latency"]) == 3.0
        assert got["status"].status_code == 418
        assert len(got["bytes"].content) == 9
        assert got["chunks"].headers["content-length"] == "120"
        assert got["encoding"].headers["content-encoding"] == "gzip"
        assert got["encoding"].content == plain.content
        assert got["framing"].headers["transfer-encoding"] == "chunked"
        assert got["trailers"].headers["trailer"] == "content-digest"
        assert got["content"].headers["content-type"] == "text/event-stream"


async def test_the_query_wins_over_the_header(run_mock: RunMock) -> None:
    """Whoever writes the address has the last word; names of no meaning do nothing."""
    async with run_mock(latency="constant(0ms)", error_rate=1) as running, client_of(running) as client:
        answer = await client.get("/work?status=201&bytes=3", headers={"x-upstream-status": "202"})
        assert (answer.status_code, answer.content) == (201, b"xxx")
        answer = await client.get("/work?status=201", headers={"x-upstream-bytes": "4"})
        assert (answer.status_code, answer.content) == (201, b"xxxx")
        # An error that was drawn counts, unless a status was asked for.
        assert (await client.get("/work?n=5&latencies=3", headers={"x-upstream-x": "1"})).status_code == 500


BAD = [
    ("latency=5ms", "latency='5ms': not a distribution"),
    ("latency=constant(61s)", "latency='constant(61s)': longer than 60s at its 99th percentile"),
    ("latency=empirical(/etc/passwd)", "latency='empirical(/etc/passwd)': empirical only as the mock starts"),
    ("status=199", "status='199': not a whole number from 200 to 599"),
    ("status=", "status='': not a whole number from 200 to 599"),
    (f"bytes={MAX_BYTES + 1}", f"bytes='{MAX_BYTES + 1}': not a whole number from 0 to {MAX_BYTES}"),
    ("bytes=" + "9" * 5000, f"bytes='{'9' * 100}...': not a whole number from 0 to {MAX_BYTES}"),
    ("bytes=%D9%A1", "bytes='\u0661': not a whole number"),
    ("chunks=0", "chunks='0': not a whole number from 1 to 10000"),
    ("chunk_gap_ms=-1", "chunk_gap_ms='-1': not a number from 0 to 10000"),
    ("chunk_gap_ms=10001", "chunk_gap_ms='10001': not a number from 0 to 10000"),
    ("encoding=br", "encoding='br': not one of identity, gzip"),
    ("framing=x", "framing='x': not one of content-length, chunked, close"),
    ("trailers=1", "trailers='1': not one of true, false"),
    ("content=xml", "content='xml': not one of json, sse"),
    ("bytes=1&bytes=2", "bytes: given twice"),
    ("trailers=true&framing=close", "trailers='true': there are no trailers with close, only with chunked"),
    ("content=sse&chunks=3&bytes=23", "content='sse': 3 events need 24 bytes at least, not 23"),
    ("chunks=100&chunk_gap_ms=700", "chunk_gap_ms='700': the gaps are longer than 60s together"),
]


async def test_out_of_bounds(run_mock: RunMock) -> None:
    """400 and one line that names the word, its value and the bound."""
    async with run_mock(latency="constant(0ms)") as running, client_of(running) as client:
        for query, line in BAD:
            answer = await client.get(f"/work?{query}")
            assert answer.status_code == 400, query
            assert answer.headers["content-type"] == "application/json"
            assert answer.json()["detail"].startswith(line)
            assert "\n" not in answer.json()["detail"]


def scope(query: str, **headers: str) -> dict[str, object]:
    """A request as ASGI has it."""
    pairs = [(f"x-upstream-{name}".encode(), value.encode()) for name, value in headers.items()]
    return {"query_string": query.encode(), OPTIONS_KEY: pairs}


def test_plans_are_kept_within_bounds() -> None:
    """What is asked for again is not read again; the oldest and what was asked at length are not kept."""
    payload = Payload(120)
    overrides = Overrides(payload, WorkResponse(payload))
    plan = overrides.plan(scope("bytes=5&encoding=gzip", latency="constant(1ms)"))
    assert overrides.plan(scope("bytes=5&encoding=gzip", latency="constant(1ms)")) is plan
    assert overrides.plan(scope("bytes=5&encoding=gzip")) is not plan
    overrides.plan(scope(f"n={'x' * 2000}"))
    overrides.plan(scope("chunks=2", latency=f"constant(1ms{' ' * 2000})"))
    assert len(overrides._plans) == 2
    for number in range(2 * KEPT):
        overrides.plan(scope(f"n={number}"))
        with pytest.raises(BadOverrideError):
            overrides.plan(scope(f"bytes=x{number}"))
    assert len(overrides._plans) == KEPT
    assert overrides.plan(scope("bytes=5&encoding=gzip", latency="constant(1ms)")) is not plan


def test_what_the_environment_may_a_request_need_not_answer_for() -> None:
    """The environment's gaps may be longer than a request's; other options are not refused for them."""
    payload = Payload(120, chunks=100, gap_seconds=30)
    overrides = Overrides(payload, WorkResponse(payload))
    overrides.plan(scope("bytes=500"))
    overrides.plan(scope("chunk_gap_ms=1"))
    with pytest.raises(BadOverrideError, match="longer than 60s together"):
        overrides.plan(scope("chunks=4"))


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_a_plan_or_a_mistake(seed: int) -> None:
    """Whatever a query holds: no other exception, and no more than bounded numbers of anything."""
    draw, payload = random.Random(seed), Payload(120)
    overrides = Overrides(payload, WorkResponse(payload))
    pieces = [*GOOD, *GOOD.values(), "=", "&", "%", "%00", "\xff", "(", ",", "pareto(1us,p99=60s)", "normal(", "p99="]
    outcomes, longest = set(), 0
    for _ in range(3000):
        query = "".join(draw.choices(pieces, k=draw.randrange(9)))
        try:
            overrides.plan({"query_string": query.encode("latin-1"), "headers": []})
            outcomes.add("plan")
        except BadOverrideError as error:
            longest = max(longest, len(str(error)))
            outcomes.add("mistake")
    assert outcomes == {"plan", "mistake"}
    assert longest < 400


def test_server_timing_is_one_line() -> None:
    """Three parts in milliseconds."""
    said = server_timing(queue_ms=1.0, work_ms=2.5, late_ms=0.1234)
    assert said == b"queue;dur=1.000, work;dur=2.500, late;dur=0.123"
