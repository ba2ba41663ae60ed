import pytest

from lab.audit import audit
from lab.comparison.compare import compare
from lab.document_part import DistributionMs
from lab.emulation import EmulatorStats, Network
from lab.run_document import PartSettings, RunDocument, SettingsAtEnds, Totals
from lab.witnesses import ConnectionWitness, ProxyWitness, UpstreamWitness, Witnesses
from lab.wording import network_line
from support.documents import run_document

WHOLE = Witnesses(
    locust_requests=100,
    locust_failures=0,
    proxy=ProxyWitness(received=100, answered=100, failed=0, aborted=0),
    upstream=UpstreamWitness(started=100, completed=100, abandoned=0),
    proxy_connections=ConnectionWitness(opened=10, closed=4, open_at_start=1, open_at_end=7),
    upstream_connections=ConnectionWitness(opened=10, closed=5, open_at_start=2, open_at_end=7),
)


def test_three_witnesses_that_agree() -> None:
    """Every equation holds and none is missing."""
    result = audit(WHOLE)
    assert result.agreed
    assert len(result.checks) == 7
    assert result.missing == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"locust_requests": 101}, "1 requests that Locust counted never reached the proxy"),
        ({"locust_requests": 98}, "the proxy received 2 requests that Locust did not count"),
        ({"proxy": ProxyWitness(received=100, answered=99, failed=0, aborted=0)}, "1 requests are still in the proxy"),
        (
            {"upstream": UpstreamWitness(started=101, completed=100, abandoned=0)},
            "1 requests are still in the upstream",
        ),
        (
            {"upstream": UpstreamWitness(started=103, completed=103, abandoned=0)},
            "the upstream completed 3 requests that the proxy did not answer",
        ),
        (
            {"proxy_connections": ConnectionWitness(opened=10, closed=4, open_at_start=1, open_at_end=5)},
            "2 connections were neither closed nor are they open: leaked",
        ),
        (
            {"upstream_connections": ConnectionWitness(opened=12, closed=7, open_at_start=2, open_at_end=7)},
            "the upstream accepted 2 connections that the proxy's pool did not open",
        ),
    ],
)
def test_a_difference_is_named(change: dict[str, object], message: str) -> None:
    """Which witness saw how many more."""
    result = audit(WHOLE.model_copy(update=change))
    assert not result.agreed
    assert any(check.message.startswith(message) for check in result.checks if check.difference)


def test_an_answer_lost_on_the_way_is_explained_by_an_abort() -> None:
    """The upstream completed it, the proxy aborted or failed it: no difference."""
    lost = WHOLE.model_copy(update={"proxy": ProxyWitness(received=100, answered=97, failed=1, aborted=2)})
    assert audit(lost).agreed


def test_a_connection_whose_request_was_given_up_is_explained() -> None:
    """It was opened for an aborted request and carried none; without an abort it is a difference."""
    more = ConnectionWitness(opened=11, closed=5, open_at_start=1, open_at_end=7)
    assert not audit(WHOLE.model_copy(update={"proxy_connections": more})).agreed
    aborted = ProxyWitness(received=100, answered=99, failed=0, aborted=1)
    assert audit(WHOLE.model_copy(update={"proxy_connections": more, "proxy": aborted})).agreed


def test_a_silent_witness_means_not_agreed() -> None:
    """What is missing is not taken for right."""
    result = audit(Witnesses(locust_requests=100, locust_failures=0))
    assert not result.agreed
    assert result.missing == ["proxy", "upstream"]


MEASURED = {"warm_request_ms": {"p50": 75.31, "n": 10}}


def emulator(p50: float, p99: float) -> EmulatorStats:
    return EmulatorStats(lateness_ms=DistributionMs(count=100, p50=p50, p99=p99))


@pytest.mark.parametrize(
    ("network", "link", "line"),
    [
        (None, None, None),
        ({"summary": "same-host", "engine": "off", "measured": None}, None, "same-host, nothing emulated"),
        ({"summary": "edge", "engine": "relay"}, None, "edge, by relay"),
        (
            {"summary": "edge, RTT 75 ms", "engine": "tun", "measured": MEASURED},
            emulator(0.081, 0.4),
            "edge, RTT 75 ms, by tun, 75.3 ms measured; lateness p50 0.08, p99 0.40 ms",
        ),
        (
            {"summary": "edge", "engine": "relay", "measured": MEASURED},
            EmulatorStats(engine="relay", lateness_ms=DistributionMs(count=0)),
            "edge, by relay, 75.3 ms measured",
        ),
        ({}, None, "unknown, nothing emulated"),
    ],
)
def test_the_network_of_a_run_in_a_line(
    network: dict[str, object] | None, link: EmulatorStats | None, line: str | None
) -> None:
    """Profile, engine, what it measured itself, and how late it was: what is known of them."""
    assert network_line(None if network is None else Network.model_validate(network), link) == line


def with_settings(run_id: str, rps: float, **proxy: str | int) -> RunDocument:
    part = PartSettings(load={"LOCUST_USERS": 20, "LAB_RUN_LABEL": run_id}, proxy=dict(proxy))
    return run_document(
        run_id,
        label=run_id,
        settings=SettingsAtEnds(start=part, end=part),
        totals=Totals(requests=int(rps * 10), failures=0, rps=rps),
    )


def test_a_comparison_names_the_one_setting_that_differs() -> None:
    """Labels and ids differ always and explain nothing."""
    result = compare(
        [with_settings("ten", 100.0, PROXY_MAX_CONNECTIONS=10), with_settings("forty", 390.0, PROXY_MAX_CONNECTIONS=40)]
    )
    assert [(row.name, row.values) for row in result.settings] == [("PROXY_MAX_CONNECTIONS", [10, 40])]
    assert result.outcomes[0].ratios == [1.0, pytest.approx(3.9)]
    assert result.sentence.startswith(
        "One setting differs, PROXY_MAX_CONNECTIONS 10 -> 40: 100.0 -> 390.0 requests/s (3.90 times)"
    )


def test_a_comparison_of_equals_says_so() -> None:
    """And of several differences names all."""
    same = compare([with_settings("a", 100.0), with_settings("b", 101.0)])
    assert same.sentence.startswith("No setting differs")
    two = compare([with_settings("a", 100.0, X=1, Y=1), with_settings("b", 101.0, X=2, Y=2)])
    assert two.sentence.startswith("2 settings differ (X, Y)")


def test_where_the_parts_listen_explains_nothing() -> None:
    """A run in Compose and one as processes differ in addresses only; another upstream is a difference."""
    here = with_settings("a", 100.0, PROXY_PORT=8000, PROXY_UPSTREAM_URL="http://upstream-mock:8001")
    there = with_settings("b", 100.0, PROXY_PORT=9000, PROXY_UPSTREAM_URL="http://127.0.0.1:8002")
    assert compare([here, there]).settings == []
    elsewhere = with_settings("c", 100.0, PROXY_PORT=8000, PROXY_UPSTREAM_URL="http://api.test")
    assert [row.name for row in compare([here, elsewhere]).settings] == ["PROXY_UPSTREAM_URL"]


def test_other_versions_and_a_cut_run_are_differences_too() -> None:
    """Docker's Python is another one, and an interrupted run measured less than it seems."""
    whole = with_settings("a", 100.0)
    cut = with_settings("b", 100.0).model_copy(
        update={"status": "interrupted", "versions": {"proxy": {"httpx": "0.28.1", "python": "3.13.5"}}}
    )
    found = compare([whole, cut])
    assert [row.name for row in found.settings] == ["status"]
    assert found.versions == []  # only one of the runs has a Python that is known
    other = whole.model_copy(update={"versions": {"proxy": {"httpx": "0.27.0"}}})
    assert [row.name for row in compare([whole, other]).versions] == ["proxy's httpx"]
    assert compare([whole, other]).concerns == ["versions differ: proxy's httpx 0.28.1 -> 0.27.0"]
    assert "b: the run was interrupted" in found.concerns


def test_a_comparison_needs_two() -> None:
    """One run has nothing to be held against."""
    with pytest.raises(ValueError, match="at least two"):
        compare([run_document()])


TRIED = ProxyWitness(
    received=100, answered=90, failed=8, aborted=2, untried=3, tries=104, retried=7, sent=101, responded=94
)


def tried(upstream: UpstreamWitness, **change: int) -> Witnesses:
    return WHOLE.model_copy(update={"proxy": TRIED.model_copy(update=change), "upstream": upstream})


@pytest.mark.parametrize("started", [94, 97, 101])
def test_each_try_is_accounted_for(started: int) -> None:
    """tries = received - untried + retried; what was sent was started, or lost on the way without a response."""
    found = audit(tried(UpstreamWitness(started=started, completed=92, abandoned=started - 92)))
    assert found.agreed
    messages = {check.name: check.message for check in found.checks}
    assert messages["proxy's tries = received - refused before a try + retried"] == "104 = 100 - 3 + 7"
    heads = messages["upstream started = tries that sent a head - lost on the way"]
    assert heads == f"{started} = 101 - {101 - started}"


@pytest.mark.parametrize(
    ("started", "change", "message"),
    [
        (95, {"retried": 9}, "2 requests or retries of the proxy were never tried"),
        (95, {"retried": 5}, "the proxy tried 2 times more than its requests and retries account for"),
        (102, {}, "the upstream started 1 requests more than the proxy sent"),
        (93, {}, "1 requests that were responded to were never started by the upstream"),
    ],
)
def test_a_try_that_is_not_accounted_for_is_named(started: int, change: dict[str, int], message: str) -> None:
    wrong = audit(tried(UpstreamWitness(started=started, completed=92, abandoned=started - 92), **change))
    assert [check.message for check in wrong.checks if check.difference] == [message]


def test_a_try_that_was_repeated_may_have_been_completed() -> None:
    """As behind a GOAWAY that the client library takes for the end: up to the failures, aborts and retries."""
    assert audit(tried(UpstreamWitness(started=101, completed=101, abandoned=0), responded=95)).agreed
    repeated = {"answered": 98, "failed": 2, "aborted": 0, "retried": 1, "tries": 101, "untried": 0}
    wrong = audit(tried(UpstreamWitness(started=103, completed=103, abandoned=0), sent=103, **repeated, received=100))
    assert "the upstream completed 2 requests that the proxy did not answer" in [each.message for each in wrong.checks]
