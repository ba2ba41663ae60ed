"""Each rule over a made account of a run: what it finds, what it says, and where it stays silent."""

from dataclasses import replace
from typing import Any

import pytest

from lab.account.failures import FailureCount
from lab.account.places import Owner, Place
from lab.account.window import Window
from lab.calling_pattern import calling_pattern
from lab.conclusion import Verdict
from lab.document_part import DistributionMs
from lab.emulation import EmulatorStats
from lab.objective import parse_objective
from lab.pool_figures import Closings, PoolWorker
from lab.run_document import Generator, Host, LatencyMs, PartSettings, SettingsAtEnds, Totals
from lab.verdict.judge import judge
from lab.verdict.run_model import slowness
from lab.wire.mock import LatencyFigures
from lab.wire.proxy import PythonProcess
from support.documents import account, pool, run_document
from support.reported import reported

IDLE = {"proxy": 0.3, "upstream": 0.1, "link": None, "generator": 0.2}


def verdict(places: dict[Place, float], *, settings: dict[str, Any] | None = None, **changes: Any) -> Verdict:
    """Judge a run of 20 users against a pool of ten that spent these milliseconds at these places."""
    users_ms = sum(places.values())
    changed = settings or {}
    proxy = {"PROXY_MAX_CONNECTIONS": 10, "PROXY_MAX_KEEPALIVE_CONNECTIONS": 5} | changed
    both = PartSettings(load={"LOCUST_USERS": 20}, proxy=proxy, network={}, upstream={})
    work = places.get(Place.UPSTREAM_WORK, 0.0)
    known = reported(LatencyFigures(mean_ms=work, scv=0, strata_ms=((1.0, work),)))
    known = replace(known, proxy={**known.proxy, **changed}, upstream={**known.upstream, **changed})
    figures: dict[str, Any] = {
        "attribution": account(places),
        "latency_ms": LatencyMs(mean=users_ms, p50=users_ms, p99=users_ms),
        "settings": SettingsAtEnds(start=both, end=both),
        "cpu_cores": IDLE,
    }
    return judge(run_document(**(figures | changes)), known)


WAITING = {Place.POOL_WAIT: 98.0, Place.UPSTREAM_WORK: 100.0, Place.PROXY_CPU: 2.0}
FREE = {Place.POOL_WAIT: 1.0, Place.UPSTREAM_WORK: 100.0, Place.PROXY_CPU: 4.0}
WIDE = pool(max=20, active_mean=4.0, waiting_mean=0.0, wait_ms=DistributionMs(count=380, mean=0.1))
HALF_BUSY = pool(active_mean=5.0, waiting_mean=0.0)


def test_a_full_pool_that_requests_wait_for() -> None:
    """As many connections as requests hold one or wait, and what that promises."""
    found = verdict(WAITING)
    assert (found.bottleneck, found.place, found.kind, found.owner) == ("pool", Place.POOL_WAIT, "queue", "proxy")
    assert "98 of 200 ms (49%)" in found.because
    assert found.advice.set == {"PROXY_MAX_CONNECTIONS": 20}
    assert found.advice.promise is not None
    assert found.advice.promise.after == pytest.approx(200, rel=0.05)
    assert found.also == []


def test_one_full_worker_is_enough() -> None:
    """15.7 of 20 connections in the mean hide full workers beside idle ones."""
    rows = [
        PoolWorker(pid=pid, requests=100, active_mean=mean, waiting_mean=2, wait_mean_ms=40, timeouts=0, cpu_cores=0.2)
        for pid, mean in ((1, 5.0), (2, 4.9), (3, 3.0), (4, 2.8))
    ]
    uneven = pool(max=20, active_mean=15.7, waiting_mean=4.0, workers=rows)
    found = verdict(
        {Place.POOL_WAIT: 40.0, Place.UPSTREAM_WORK: 100.0},
        settings={"UVICORN_WORKERS": 4, "PROXY_MAX_CONNECTIONS": 5},
        pool=uneven,
        totals=Totals(requests=1000, failures=0, rps=185.0),
    )
    assert found.bottleneck == "pool"
    assert found.advice.set == {"PROXY_MAX_CONNECTIONS": 6}, "a worker's, not all workers'"
    assert found.advice.promise is not None
    assert found.advice.promise.after is None, "with users spread evenly none would wait"
    assert "98 were measured" in found.advice.promise.assumes


def test_more_connections_are_promised_as_far_as_the_cpu_bears_them() -> None:
    found = verdict(WAITING, cpu_cores=IDLE | {"proxy": 0.7})
    assert found.bottleneck == "pool"
    assert found.advice.promise is not None
    assert found.advice.promise.after == pytest.approx(100 / 0.7, rel=0.02)


def test_streams_are_not_connections() -> None:
    """HTTP/2: ten requests at a time on one connection."""
    found = verdict(WAITING, pool=pool(active_are="requests", open_at_end=1))
    assert found.bottleneck == "pool"
    assert found.advice.set == {"UVICORN_WORKERS": 2}, "each has a connection of its own"
    assert verdict(WAITING, pool=pool(active_are="requests")).advice.set == {"PROXY_MAX_CONNECTIONS": 20}
    assert "9.9 requests under way, connections open: 1 of 10, and 9.8 requests waited" in found.because


def test_a_queue_before_a_full_pool_is_the_pools() -> None:
    """20 threads share 8 connections: of the time in which a thread is held, 150 of 250 ms are a wait for one."""
    places = {Place.THREAD_WAIT: 1000.0, Place.POOL_WAIT: 150.0, Place.UPSTREAM_WORK: 100.0}
    pattern = calling_pattern("httpx_sync_shared")
    found = verdict(places, pattern=pattern, settings={"PROXY_THREAD_TOKENS": 20, "PROXY_MAX_CONNECTIONS": 8})
    assert found.bottleneck == "pool"
    assert found.because.endswith("requests waited, after 1000 ms for a thread behind those")
    assert [one.bottleneck for one in found.also] == ["threads"]
    assert found.also[0].share == pytest.approx(0.32)


def test_a_limit_as_wide_as_the_pool_is_widened_with_it() -> None:
    """Ten admitted and ten connections: more of one without more of the other changes nothing."""
    full = pool(active_mean=9.9, waiting_mean=0.0, wait_ms=DistributionMs(count=380, mean=0.1))
    places = {Place.ADMISSION: 98.0, Place.UPSTREAM_WORK: 102.0}
    found = verdict(places, pool=full, settings={"PROXY_MAX_IN_FLIGHT": 10})
    assert found.bottleneck == "admission"
    assert found.advice.set == {"PROXY_MAX_IN_FLIGHT": 20, "PROXY_MAX_CONNECTIONS": 20}
    assert found.advice.promise is not None
    assert found.advice.promise.after == pytest.approx(200, rel=0.05)


def test_threads_and_admission_are_not_the_pool() -> None:
    """Each is a limit that the model knows: 20 users and 105 ms are 190 requests a second."""
    threads = {Place.THREAD_WAIT: 400.0, Place.UPSTREAM_WORK: 105.0}
    few = Totals(requests=380, failures=0, rps=38.0)
    pattern = calling_pattern("httpx_sync_shared")
    unused = {"proxy": 0.05, "generator": 0.02}
    four = {"PROXY_THREAD_TOKENS": 4, "PROXY_MAX_CONNECTIONS": 40, "PROXY_MAX_KEEPALIVE_CONNECTIONS": 40}
    found = verdict(threads, settings=four, pattern=pattern, pool=WIDE, totals=few, cpu_cores=unused)
    assert found.bottleneck == "threads"
    assert found.advice.set == {"PROXY_THREAD_TOKENS": 20}
    assert found.advice.promise is not None
    assert found.advice.promise.after == pytest.approx(190, rel=0.05)
    admission = {Place.ADMISSION: 400.0, Place.UPSTREAM_WORK: 105.0}
    settings = {"PROXY_MAX_IN_FLIGHT": 4, "PROXY_MAX_CONNECTIONS": 20}
    found = verdict(admission, settings=settings, pool=WIDE, totals=few, cpu_cores=unused)
    assert found.bottleneck == "admission"
    assert found.advice.set == {"PROXY_MAX_IN_FLIGHT": 20}
    assert found.advice.promise is not None
    assert found.advice.promise.after == pytest.approx(190, rel=0.05)


def test_an_upstream_that_cannot_do_more_at_once() -> None:
    """Its servers are all busy, so the waiting before the pool is its, too; more connections change nothing."""
    found = verdict(WAITING, settings={"UPSTREAM_CAPACITY": 10})
    assert found.bottleneck == "upstream"
    assert (found.advice.set, found.advice.promise) == ({}, None)
    # used for 85 %, as each connection is with the proxy for a while: more of them would give 1/0.85 of the throughput
    busy = Totals(requests=850, failures=0, rps=85.0)
    assert verdict(WAITING, settings={"UPSTREAM_CAPACITY": 10}, totals=busy).bottleneck == "upstream"
    slowed = Totals(requests=700, failures=0, rps=70.0)
    assert verdict(WAITING, settings={"UPSTREAM_CAPACITY": 10}, totals=slowed).bottleneck == "upstream"
    wider = {"UPSTREAM_CAPACITY": 14}  # more servers than connections: used for 71 %
    assert verdict(WAITING, settings=wider, totals=Totals(requests=990, failures=0, rps=99.0)).bottleneck == "pool"
    far = WAITING | {Place.ROUND_TRIPS: 40.0}
    assert verdict(far, settings={"UPSTREAM_CAPACITY": 10}, totals=slowed).bottleneck == "pool"
    half = Totals(requests=500, failures=0, rps=50.0)
    assert verdict(WAITING, settings={"UPSTREAM_CAPACITY": 10}, totals=half).bottleneck == "pool"
    queued = {Place.POOL_WAIT: 50.0, Place.UPSTREAM_QUEUE: 100.0, Place.UPSTREAM_WORK: 50.0}
    assert verdict(queued, settings={"UPSTREAM_CAPACITY": 5}).bottleneck == "upstream"


def test_bandwidth_is_not_a_small_pool() -> None:
    """48 of 50 Mbit/s: the bodies hold the connections."""
    places = {Place.POOL_WAIT: 300.0, Place.BODY: 250.0, Place.BANDWIDTH_QUEUE: 50.0, Place.UPSTREAM_WORK: 20.0}
    totals = Totals(requests=240, failures=0, rps=30.0)
    found = verdict(places, settings={"UPSTREAM_PAYLOAD_BYTES": 200_000, "NET_BW_DOWN_MBIT": 50}, totals=totals)
    assert (found.bottleneck, found.place, found.owner) == ("network", Place.BANDWIDTH_QUEUE, "network")


def test_loss_and_distance_are_the_networks() -> None:
    far = {Place.ROUND_TRIPS: 200.0, Place.UPSTREAM_WORK: 10.0}
    assert verdict(far, pool=HALF_BUSY).place == Place.ROUND_TRIPS
    lossy = {Place.ROUND_TRIPS: 40.0, Place.LOSS: 30.0, Place.UPSTREAM_WORK: 100.0}
    assert verdict(lossy, pool=HALF_BUSY).place == Place.LOSS


CHURNING = {Place.CONNECT: 80.0, Place.ROUND_TRIPS: 80.0, Place.UPSTREAM_WORK: 100.0}


@pytest.mark.parametrize(
    ("by_client", "by_upstream", "advice"),
    [(990, 5, {"PROXY_MAX_KEEPALIVE_CONNECTIONS": 10}), (5, 990, {})],
)
def test_new_connections_and_who_closed_the_old(by_client: int, by_upstream: int, advice: dict[str, int]) -> None:
    """The client's limit is ours to raise; an upstream that closes needs another cure."""
    closings = Closings(by_client=by_client, by_upstream=by_upstream, idle=0, reset=0)
    found = verdict(CHURNING, pool=pool(opened=990, active_mean=5.0), closings=closings)
    assert found.bottleneck == "connect"
    assert found.advice.set == advice
    assert ("UPSTREAM_KEEPALIVE_SECONDS" in found.advice.words) == (not advice)


def test_a_client_for_each_request_is_the_patterns() -> None:
    places = {Place.PROXY_CPU: 40.0, Place.CONNECT: 10.0, Place.UPSTREAM_WORK: 100.0}
    found = verdict(places, pattern=calling_pattern("async_per_request"), pool=pool(opened=1000))
    assert found.bottleneck == "pattern"
    connections = dict.fromkeys(("PROXY_MAX_CONNECTIONS", "PROXY_MAX_KEEPALIVE_CONNECTIONS"), 20)
    assert found.advice.set == {"LAB_PATTERN": "async_lifespan_state", **connections}, "none has to wait for another"
    assert found.advice.promise is not None
    assert found.advice.promise.after == pytest.approx(100, rel=0.25)
    assert "measured elsewhere" in found.advice.promise.assumes


def test_a_blocked_loop() -> None:
    found = verdict({Place.EVENT_LOOP: 300.0, Place.UPSTREAM_WORK: 100.0}, pool=HALF_BUSY)
    assert found.bottleneck == "loop"


def test_a_loop_that_works_on_a_bunch_of_requests_is_not_blocked() -> None:
    """All 20 come at once, as after a GOAWAY, and each takes 3 ms of CPU: the last waits for 60 ms."""
    bunch = {Place.EVENT_LOOP: 29.0, Place.UPSTREAM_WORK: 20.0}
    assert verdict(bunch, pool=HALF_BUSY).bottleneck == "none"
    assert verdict(bunch, pool=HALF_BUSY, cpu_cores=IDLE | {"proxy": 0.05}).bottleneck == "loop"


def test_one_process_without_cpu() -> None:
    """Also where requests wait for connections that nothing hands out: 6.6 of 50 busy, 180 waiting."""
    places = {Place.POOL_WAIT: 400.0, Place.PROXY_CPU: 30.0, Place.UPSTREAM_WORK: 20.0}
    idle = pool(max=50, active_mean=6.6, waiting_mean=179.9)
    found = verdict(places, pool=idle, cpu_cores=IDLE | {"proxy": 0.98}, host=Host(cores=2, busy_share=0.7))
    assert (found.bottleneck, found.owner) == ("cpu", "proxy")
    assert found.advice.set == {"UVICORN_WORKERS": 2}


def test_an_import_that_fails_at_each_request_is_spared_first() -> None:
    """A package that is not installed costs httpx a quarter of its CPU."""
    places = {Place.EVENT_LOOP: 100.0, Place.PROXY_CPU: 30.0, Place.UPSTREAM_WORK: 20.0}
    full: dict[str, Any] = {"cpu_cores": IDLE | {"proxy": 0.98}, "pool": WIDE}
    for client, sniffio, advised in (
        ("httpx", "absent", "PROXY_SNIFFIO"),
        ("httpx", "present", "UVICORN_WORKERS"),
        ("pyreqwest", "absent", "UVICORN_WORKERS"),
    ):
        python = PythonProcess(sniffio=sniffio, path_entries=9, path_entries_of_ours=0, gc_threshold=[700, 10, 10])
        found = verdict(places, settings={"PROXY_CLIENT": client}, python=python, **full)
        assert (found.bottleneck, list(found.advice.set)) == ("cpu", [advised])


def test_a_cpu_limit_is_no_blocked_loop() -> None:
    """A container's limit holds the proxy back for most of the time, far from a whole core."""
    places = {Place.EVENT_LOOP: 300.0, Place.PROXY_CPU: 30.0, Place.UPSTREAM_WORK: 100.0}
    host = Host(cores=8, busy_share=0.2, throttled_seconds={"proxy": 7.0, "upstream": 0.0})
    found = verdict(places, settings={"PROXY_CLIENT": "pyreqwest"}, pool=WIDE, host=host)
    assert (found.bottleneck, found.owner, found.advice.set) == ("cpu", "proxy", {})
    assert "held the proxy back for 70% of the time" in found.because
    assert "cpus" in found.advice.words
    assert not found.also


def test_opening_a_connection_is_at_the_place_that_took_most_of_it() -> None:
    places = {Place.DNS: 90.0, Place.CONNECT: 20.0, Place.UPSTREAM_WORK: 100.0}
    found = verdict(places, pool=pool(opened=990, active_mean=5.0))
    assert (found.bottleneck, found.place) == ("connect", Place.DNS)
    assert "(the name 90, TCP 20)" in found.because


def test_all_cores_taken_by_the_sandbox() -> None:
    """Two workers, no process of which has its core to itself."""
    cores = {"proxy": 1.2, "upstream": 0.1, "link": None, "generator": 0.65}
    places = {Place.EVENT_LOOP: 200.0, Place.PROXY_CPU: 30.0, Place.UPSTREAM_WORK: 20.0}
    found = verdict(
        places, settings={"UVICORN_WORKERS": 2}, cpu_cores=cores, host=Host(cores=2, busy_share=0.99), pool=HALF_BUSY
    )
    assert (found.bottleneck, found.owner) == ("machine", "machine")


def test_a_machine_that_others_keep_busy_is_a_caveat() -> None:
    """The first experiment reads right on it: a full pool is a full pool."""
    found = verdict(WAITING, host=Host(cores=2, busy_share=1.0))
    assert found.bottleneck == "pool"
    assert [caveat.about for caveat in found.caveats] == ["machine"]


def test_a_loop_that_gets_no_core_is_not_blocked() -> None:
    """Other work keeps all cores busy: a caveat, or the machine where most of the time went to it; never the loop."""
    full = Host(cores=2, busy_share=1.0)
    some = verdict({Place.EVENT_LOOP: 90.0, Place.UPSTREAM_WORK: 100.0}, pool=HALF_BUSY, host=full)
    assert (some.bottleneck, [caveat.about for caveat in some.caveats]) == ("none", ["machine"])
    assert "no queue" not in some.because
    most = verdict({Place.EVENT_LOOP: 300.0, Place.UPSTREAM_WORK: 100.0}, pool=HALF_BUSY, host=full)
    assert (most.bottleneck, most.owner) == ("machine", "machine")
    blocked = {Place.EVENT_LOOP: 900.0, Place.UPSTREAM_WORK: 100.0}
    found = verdict(blocked, pool=HALF_BUSY, host=full, pattern=calling_pattern("requests_in_async"))
    assert found.bottleneck == "loop"


def test_locust_without_cpu() -> None:
    found = verdict(
        {Place.CALLER_SIDE: 150.0, Place.UPSTREAM_WORK: 20.0}, cpu_cores=IDLE | {"generator": 0.97}, pool=HALF_BUSY
    )
    assert found.bottleneck == "generator"
    assert verdict(WAITING, cpu_cores=IDLE | {"generator": 0.97}).bottleneck == "pool"


def test_slots_that_are_never_given_back_come_first() -> None:
    failed = Totals(requests=50, failures=40, rps=5.0)
    found = verdict(WAITING, pool=pool(leaked=10), totals=failed, errors={"503 pool_exhausted": 40})
    assert (found.bottleneck, found.owner) == ("leak", "proxy")


def test_slots_that_the_client_library_lost_are_its() -> None:
    """No request holds them; those that wait are cancelled by the deadline of the whole, and lose more."""
    early = {"PROXY_CLIENT": "httpx", "PROXY_POOL_TIMEOUT_SECONDS": 5.0, "PROXY_TOTAL_TIMEOUT_SECONDS": 1.0}
    found = verdict(WAITING, settings=early, pool=pool(lost=8))
    assert (found.bottleneck, found.owner) == ("leak", "client_library")
    assert found.because.startswith("8 of 10 connections are taken for httpx, though no request holds them")
    assert found.advice.set == {"PROXY_QUEUE": "gate", "PROXY_POOL_TIMEOUT_SECONDS": 0.5}
    assert found.advice.promise is not None
    assert found.advice.promise.after == pytest.approx(100, rel=0.25)


def test_failures_by_owner() -> None:
    """The proxy's own limits carry the proxy's name, a library's GOAWAY the library's."""
    for kind, owner in (("503 uvicorn limit_concurrency", "proxy"), ("502 upstream_goaway", "client_library")):
        counts = [FailureCount(kind=kind, count=990, owner=owner, meaning="as it is meant")]
        found = verdict(WAITING, totals=Totals(requests=1000, failures=990, rps=900.0), failures=counts)
        assert (found.bottleneck, found.owner) == ("failures", owner)
        assert "as it is meant" in found.because


def test_a_proxy_that_is_gone_at_the_end_is_no_limit_of_its_process() -> None:
    counts = [FailureCount(kind="HTTPConnectionClosed", count=990, owner="proxy", meaning="it cut the connection")]
    totals = Totals(requests=1000, failures=990, rps=900.0)
    start = PartSettings(proxy={"PROXY_CLIENT": "httpx"})
    for end, words in ((PartSettings(), "it may have died"), (start, "a limit of the proxy's own process")):
        run = run_document(totals=totals, failures=counts, settings=SettingsAtEnds(start=start, end=end))
        assert words in judge(run, None).advice.words


@pytest.mark.parametrize("kind", ["503 proxy_descriptors", "ConnectionResetError after proxy_descriptors"])
def test_descriptors_that_the_proxy_lacks(kind: str) -> None:
    """How many there are, and where to raise that; the upstream has no part in it."""
    counts = [FailureCount(kind=kind, count=990, owner="proxy", meaning="it had no descriptor left")]
    totals = Totals(requests=1000, failures=990, rps=900.0)
    host = Host(cores=2, descriptors={"proxy": (64, 64), "upstream": (20, 64)})
    found = verdict(WAITING, totals=totals, failures=counts, host=host)
    assert (found.bottleneck, found.owner) == ("failures", "proxy")
    assert found.because.endswith(f"({kind} 990): it had no descriptor left, of 64 that it may have")
    assert "ulimit -n" in found.advice.words
    assert [caveat.about for caveat in found.caveats] == ["failures", "descriptors"]


def test_a_backlog_that_was_full_is_a_caveat() -> None:
    full = verdict(WAITING, host=Host(cores=2, listen_overflows=12, descriptors={"proxy": (63, 64)})).caveats
    assert [caveat.about for caveat in full] == ["backlog"]
    assert full[0].because.startswith("12 connections found the backlog of a listening socket full")
    assert verdict(WAITING, host=Host(cores=2, listen_overflows=0)).caveats == []


def test_a_stand_in_that_is_late_is_a_caveat_in_proportion() -> None:
    late = EmulatorStats(lateness_ms=DistributionMs(count=100, mean=6.0, p50=5.0, p99=12.0))
    found = verdict(WAITING, upstream=late)
    assert found.bottleneck == "pool"
    assert [(caveat.about, caveat.share) for caveat in found.caveats] == [("upstream", 0.03)]
    assert verdict(WAITING, upstream=EmulatorStats(lateness_ms=DistributionMs(count=1, mean=1.0))).caveats == []


def test_a_run_too_short_says_so() -> None:
    short = Window(begin_seconds=0, end_seconds=1, steady=False, because="it ran for 1.0 s with all users")
    assert "1.0 s" in verdict(WAITING, window=short).caveats[0].because


def test_none_says_where_the_time_went() -> None:
    found = verdict(FREE, pool=HALF_BUSY)
    assert (found.bottleneck, found.place, found.owner) == ("none", Place.UPSTREAM_WORK, "upstream")
    assert "95% were spent being worked on by the upstream" in found.because


def test_a_run_without_requests() -> None:
    assert verdict(FREE, totals=Totals(requests=0, failures=0, rps=0.0)).because == "no request was made"


def test_what_else_took_a_tenth_is_beside_it() -> None:
    places = {Place.POOL_WAIT: 98.0, Place.UPSTREAM_WORK: 40.0, Place.ROUND_TRIPS: 30.0, Place.LOSS: 30.0}
    found = verdict(places)
    assert found.bottleneck == "pool"
    assert [(finding.bottleneck, finding.place) for finding in found.also] == [("network", Place.LOSS)]
    assert found.also[0].share == pytest.approx((30 + 98 * 0.3) / 198, abs=0.01), "with its part of the wait"


def test_generator_of_several_processes() -> None:
    found = verdict(
        {Place.CALLER_SIDE: 150.0, Place.UPSTREAM_WORK: 20.0},
        cpu_cores=IDLE | {"generator": 1.0},
        generator=Generator(processes=2),
        pool=HALF_BUSY,
    )
    assert found.bottleneck == "none"


FULL = "503 upstream queue_full"


def refused(count: int, **more: Any) -> Verdict:
    totals = Totals(requests=1000, failures=count, rps=100.0)
    failures = [FailureCount(kind=FULL, count=count, owner="upstream", meaning="")]
    settings = {"UPSTREAM_CAPACITY": 4, "UPSTREAM_QUEUE": 3}
    return verdict(WAITING, settings=settings, totals=totals, errors={FULL: count}, failures=failures, **more)


@pytest.mark.parametrize("cores", [0.3, 0.95])
def test_an_upstream_that_refuses_most_is_the_limit_and_nothing_else(cores: float) -> None:
    """Not the failures, nor the CPU that refused users spend by asking again at once; it is written once."""
    found = refused(700, cpu_cores={"proxy": cores})
    assert found.bottleneck == "upstream"
    assert found.because == (
        "the upstream refused 700 of 1000 requests (503 upstream queue_full): all its servers (UPSTREAM_CAPACITY=4) "
        "were busy and its queue (UPSTREAM_QUEUE=3) was full"
    )


def test_an_upstream_that_refuses_a_few_is_not_the_limit_by_that() -> None:
    assert refused(60).bottleneck == "upstream"
    few = verdict(WAITING, totals=Totals(requests=1000, failures=40, rps=100.0), errors={FULL: 40})
    assert few.bottleneck == "pool"
    assert few.caveats[0].because == "40 of 1000 requests failed (503 upstream queue_full 40)"


def test_failures_are_beside_those_injected_on_purpose() -> None:
    mock = EmulatorStats(injected={"STATUS_503": 3, "SLICER": 9})
    failed = verdict(
        WAITING, totals=Totals(requests=1000, failures=900, rps=1.0), errors={"503 upstream": 900}, upstream=mock
    )
    assert failed.bottleneck == "failures"
    assert failed.caveats[-1].because == "injected on purpose: mock: SLICER 9, STATUS_503 3"
    assert verdict(WAITING, upstream=mock).caveats == []


@pytest.mark.parametrize(
    ("text", "advised"),
    [
        ("throughput > 150/s", {"PROXY_MAX_CONNECTIONS": 16}),
        ("mean < 150ms", {"PROXY_MAX_CONNECTIONS": 14}),
        ("p99 < 1s", {}),
        ("throughput > 500/s", {"PROXY_MAX_CONNECTIONS": 20}),
    ],
)
def test_with_an_objective_the_smallest_change_that_makes_it_hold(text: str, advised: dict[str, int]) -> None:
    """Nothing more where it holds already; the usual advice where no change makes it hold."""
    objective = parse_objective(text)
    assert objective is not None
    outcome = objective.outcome(run_document().figures)
    found = verdict(WAITING, objective=outcome)
    assert (found.bottleneck, found.advice.set) == ("pool", advised)
    assert found.because.startswith(f"{text} {'holds' if outcome.holds else 'does not hold'}: ")
    if found.advice.set:
        assert found.advice.promise is not None
        assert found.advice.promise.metric == ("latency_mean_ms" if "mean" in text else "succeeded_rps")
        assert ("is to be expected" in found.advice.words) is ("500" not in text)


def test_the_smallest_change_is_of_one_variable() -> None:
    """Without an objective kept connections are advised with it, for they are opened anew each time."""
    churning = pool(opened=990)
    both = {"PROXY_MAX_CONNECTIONS": 20, "PROXY_MAX_KEEPALIVE_CONNECTIONS": 20}
    assert verdict(WAITING, pool=churning).advice.set == both
    objective = parse_objective("throughput > 150/s")
    assert objective is not None
    outcome = objective.outcome(run_document().figures)
    assert verdict(WAITING, pool=churning, objective=outcome).advice.set == {"PROXY_MAX_CONNECTIONS": 16}


def test_a_limit_that_hardly_anything_waits_for_may_miss_an_objective_all_the_same() -> None:
    """No bottleneck: a pool that a few requests wait for at times."""
    objective = parse_objective("throughput > 195/s")
    assert objective is not None
    rare = {Place.POOL_WAIT: 7.0, Place.UPSTREAM_WORK: 100.0}
    figures: dict[str, Any] = {
        "totals": Totals(requests=1870, failures=0, rps=187.0),
        "pool": pool(max=19, active_mean=18.7, waiting_mean=1.0, wait_ms=DistributionMs(count=1870, mean=7.0)),
    }
    run = run_document(**figures)
    settings = {"PROXY_MAX_CONNECTIONS": 19}
    found = verdict(
        rare, settings=settings, objective=objective.outcome(run.figures), cpu_cores={"proxy": 0.1}, **figures
    )
    assert (found.bottleneck, found.advice.set) == ("none", {"PROXY_MAX_CONNECTIONS": 20})


ORDERED = {"PROXY_TOTAL_TIMEOUT_SECONDS": 10.0, "PROXY_KEEPALIVE_EXPIRY_SECONDS": 5.0, "UPSTREAM_KEEPALIVE_SECONDS": 75}


@pytest.mark.parametrize(
    ("changed", "advised"),
    [
        ({}, []),
        ({"PROXY_TOTAL_TIMEOUT_SECONDS": 1.0}, [{"PROXY_POOL_TIMEOUT_SECONDS": 0.5}]),
        ({"PROXY_TOTAL_TIMEOUT_SECONDS": 5.0}, [{"PROXY_POOL_TIMEOUT_SECONDS": 2.5}]),
        ({"UPSTREAM_KEEPALIVE_SECONDS": 2.0}, [{"PROXY_KEEPALIVE_EXPIRY_SECONDS": 1.6}]),
        ({"UPSTREAM_KEEPALIVE_SECONDS": 2.0, "PROXY_MAX_KEEPALIVE_CONNECTIONS": 0}, []),
    ],
)
def test_time_outs_in_the_wrong_order_are_a_caveat_with_what_to_set(
    changed: dict[str, float], advised: list[dict[str, float]]
) -> None:
    found = verdict(WAITING, settings={"PROXY_POOL_TIMEOUT_SECONDS": 5.0, **ORDERED, **changed})
    assert found.bottleneck == "pool"
    settings = [caveat for caveat in found.caveats if caveat.about == "settings"]
    assert [caveat.advice.set for caveat in settings if caveat.advice is not None] == advised
    assert all(name in caveat.because for caveat, change in zip(settings, advised, strict=True) for name in change)


def test_whole_deadlines_that_pass_before_the_pool_are_the_pools() -> None:
    """The wrong time-out came first: they are no failures of their own, as 503 pool_exhausted are none."""
    kind = "504 total_timeout"
    figures: dict[str, Any] = {
        "totals": Totals(requests=1000, failures=700, rps=100.0),
        "errors": {kind: 700},
        "failures": [FailureCount(kind=kind, count=700, owner="proxy", meaning="")],
    }
    early = {"PROXY_POOL_TIMEOUT_SECONDS": 5.0, "PROXY_TOTAL_TIMEOUT_SECONDS": 1.0}
    assert verdict(WAITING, settings=early, **figures).bottleneck == "pool"
    assert verdict(WAITING, settings=early | {"PROXY_POOL_TIMEOUT_SECONDS": 0.5}, **figures).bottleneck == "failures"


def test_idle_connections_that_the_upstream_closes_first() -> None:
    """Keep-alive of ours below theirs; the promise is about failures: those that come of it."""
    theirs = {"PROXY_KEEPALIVE_EXPIRY_SECONDS": 5.0, "UPSTREAM_KEEPALIVE_SECONDS": 1.0}
    closings = Closings(by_client=5, by_upstream=990, idle=900, reset=0)
    found = verdict(CHURNING, settings=theirs, pool=pool(opened=990, active_mean=5.0), closings=closings)
    assert found.bottleneck == "connect"
    assert found.advice.set == {"PROXY_KEEPALIVE_EXPIRY_SECONDS": 0.8}
    assert found.advice.promise is not None
    assert (found.advice.promise.metric, found.advice.promise.after) == ("failed_share", 0.0)
    kind = "502 upstream_closed"
    failing = verdict(
        FREE,
        settings=theirs,
        totals=Totals(requests=1000, failures=700, rps=100.0),
        errors={kind: 600, "500 upstream": 100},
        failures=[FailureCount(kind=kind, count=600, owner="upstream", meaning="")],
    )
    assert (failing.bottleneck, failing.advice.set) == ("failures", {"PROXY_KEEPALIVE_EXPIRY_SECONDS": 0.8})
    assert failing.advice.promise is not None
    assert (failing.advice.promise.before, failing.advice.promise.after) == (0.7, 0.1)


def test_connections_that_the_client_closes_too_early() -> None:
    """As many as may be open are kept, and not for long: without reopening them a request takes 80 ms less."""
    kept = {"PROXY_MAX_KEEPALIVE_CONNECTIONS": 10, "PROXY_KEEPALIVE_EXPIRY_SECONDS": 0.01}
    closings = Closings(by_client=990, by_upstream=5, idle=0, reset=0)
    figures: dict[str, Any] = {"pool": pool(opened=990, active_mean=5.0), "closings": closings}
    figures["totals"] = Totals(requests=1000, failures=0, rps=38.4)
    figures["users"] = 10
    found = verdict(CHURNING, settings=kept | {"LOCUST_USERS": 10}, **figures)
    assert (found.bottleneck, found.advice.set) == ("connect", {"PROXY_KEEPALIVE_EXPIRY_SECONDS": 60.0})
    assert found.advice.promise is not None
    longer = {"UPSTREAM_KEEPALIVE_SECONDS": 0.01}
    assert verdict(CHURNING, settings=kept | longer, **figures).advice.set == {}


@pytest.mark.parametrize(
    ("code", "owner", "settings", "advised"),
    [
        ("503 server_overloaded", "proxy", {}, {"UVICORN_LIMIT_CONCURRENCY": 40}),
        ("502 upstream_goaway", "client_library", {"PROXY_CLIENT": "httpx"}, {"PROXY_CLIENT": "pyreqwest"}),
        ("502 upstream_goaway", "client_library", {"PROXY_CLIENT": "pyreqwest"}, {}),
        ("502 upstream_reset", "network", {"PROXY_RETRIES": 0}, {}),
        ("500 upstream", "upstream", {"PROXY_RETRIES": 0}, {}),
    ],
)
def test_failures_that_a_variable_mends(
    code: str, owner: Owner, settings: dict[str, Any], advised: dict[str, Any]
) -> None:
    counts = [FailureCount(kind=code, count=990, owner=owner, meaning="")]
    totals = Totals(requests=1000, failures=990, rps=900.0)
    found = verdict(WAITING, settings=settings, totals=totals, failures=counts)
    assert (found.bottleneck, found.advice.set) == ("failures", advised)
    assert (found.advice.promise is not None) is bool(advised)


def test_a_pattern_that_blocks_the_loop_can_be_changed() -> None:
    places = {Place.EVENT_LOOP: 300.0, Place.UPSTREAM_WORK: 100.0}
    found = verdict(places, pattern=calling_pattern("requests_in_async"), pool=HALF_BUSY)
    assert (found.bottleneck, found.advice.set["LAB_PATTERN"]) == ("loop", "async_lifespan_state")
    assert found.advice.promise is not None
    assert found.advice.promise.after == pytest.approx(200, rel=0.25), "20 users and 100 ms"


@pytest.mark.parametrize(
    ("rps", "cores", "times"),
    [(44.0, 0.026, 0.87), (178.0, 0.113, 1.15), (460.0, 0.208, 1.0), (460.0, 0.416, 1.8), (2000.0, 4.0, 2.0)],
)
def test_how_slow_a_machine_is_shows_in_locusts_cpu(rps: float, cores: float, times: float) -> None:
    """The first three were measured on the machine of the calibration."""
    totals, generator = Totals(requests=1000, failures=0, rps=rps), Generator(cpu_cores=cores)
    assert slowness(run_document(totals=totals, generator=generator)) == pytest.approx(times, abs=0.05)


def test_no_promise_where_other_work_keeps_the_machine_busy() -> None:
    advice = verdict(WAITING, host=Host(cores=2, busy_share=1.0)).advice
    assert advice.set == {"PROXY_MAX_CONNECTIONS": 20}
    assert advice.promise is not None
    assert advice.promise.after is None
    assert "other work" in advice.promise.assumes
