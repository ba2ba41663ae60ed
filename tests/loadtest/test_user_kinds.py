"""Users that post, stream and leave, of a real Locust against a real proxy and mock."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.run_document import KindFigures, RunDocument
from support.locust import locust
from support.servers import environment, free_port, part

pytestmark = pytest.mark.slow

BODY_BYTES = 100_000
BODY_SECONDS = 0.4

Run = Callable[..., RunDocument]


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, str]]:
    """A mock whose answers come in pieces, 50 ms to the first one, and a proxy before it; the variables for Locust."""
    data, control, front = free_port(), free_port(), free_port()
    answer = {
        "UPSTREAM_LATENCY": "constant(50ms)",
        "UPSTREAM_PAYLOAD_BYTES": BODY_BYTES,
        "UPSTREAM_CHUNKS": 5,
        "UPSTREAM_CHUNK_GAP_MS": 1000 * BODY_SECONDS / 4,
    }
    mock = {"UPSTREAM_PORT": data, "UPSTREAM_CONTROL_PORT": control, **answer}
    upstream, proxy = f"http://127.0.0.1:{data}", f"http://127.0.0.1:{front}"
    with ExitStack() as parts:
        parts.enter_context(part("upstream_mock", f"http://127.0.0.1:{control}/-/healthy", **mock))
        parts.enter_context(part("proxy", f"{proxy}/-/healthy", PROXY_PORT=front, PROXY_UPSTREAM_URL=upstream))
        yield {"LOCUST_HOST": proxy, "LAB_UPSTREAM_CONTROL_URL": f"http://127.0.0.1:{control}"}


@pytest.fixture
def run(services: dict[str, str], tmp_path: Path) -> Run:
    """Return a function that makes one run of users of a kind."""

    def make(kind: str, **more: str) -> RunDocument:
        load = {"LOCUST_HEADLESS": "true", "LOCUST_USERS": "6", "LOCUST_RUN_TIME": "3s", "LAB_USER_KIND": kind}
        nothing = {"LAB_NET_CONTROL_URL": f"http://127.0.0.1:{free_port()}", "LAB_RUNS_DIR": str(tmp_path / "runs")}
        with locust(environment(**services, **nothing, **load), **more) as process:
            _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "Traceback" not in err, err
        (path,) = (tmp_path / "runs").glob("*.json")
        return RunDocument.model_validate_json(path.read_text())

    return make


def only_row(found: RunDocument) -> KindFigures:
    """Return the row of the one kind; the counts of the run agree."""
    (row,) = found.kinds
    assert row.requests > 0
    assert found.audit.agreed, found.audit
    assert not found.errors, found.errors
    return row


@pytest.mark.parametrize("kind", ["post(10kB)", "post(10kB, during=300ms)"])
def test_each_post_was_executed_once(run: Run, kind: str) -> None:
    found = run(kind, LOCUST_PROCESSES="2")
    only_row(found)
    executed = found.witnesses.executions
    assert executed is not None
    assert (executed.keys, executed.executions) == (found.witnesses.locust_requests, found.witnesses.locust_requests)
    assert executed.more_than_once == 0
    assert (found.latency_ms.p50 or 0) > 50 + 1000 * BODY_SECONDS + (300 if "during" in kind else 0)


def test_a_streams_first_byte_and_whole_are_apart(run: Run) -> None:
    found = run("stream")
    row = only_row(found)
    assert found.first_byte_ms is not None
    assert found.first_byte_ms.p50 is not None
    assert row.latency_ms.p50 is not None
    assert row.latency_ms.p50 > found.first_byte_ms.p50 + 0.9 * 1000 * BODY_SECONDS


def test_a_slow_reader_takes_as_long_as_it_reads(run: Run) -> None:
    found = run("stream(read=100kB/s)")
    assert (only_row(found).latency_ms.p50 or 0) > 0.95 * 1000 * BODY_BYTES / 100_000


@pytest.mark.parametrize("close", ["fin", "rst"])
@pytest.mark.parametrize("before", ["head", "body"])
def test_who_leaves_is_counted_by_both(run: Run, before: str, close: str) -> None:
    found = run(f"leave(after=20ms, share=0.5, before={before}, close={close})")
    row, proxy = only_row(found), found.witnesses.proxy
    assert proxy is not None
    assert row.left
    assert 0.2 * row.requests < row.left < 0.8 * row.requests
    assert proxy.aborted >= row.left
    assert sum(row.latency_ms.histogram.values()) == row.requests - row.left


def test_no_request_is_sent_again(run: Run) -> None:
    """A server that closes without an answer gets each request once; geventhttpclient would send it three times."""
    data, control = free_port(), free_port()
    mock = {"UPSTREAM_PORT": data, "UPSTREAM_CONTROL_PORT": control, "UPSTREAM_FAULT": "EMPTY_RESPONSE"}
    url = f"http://127.0.0.1:{control}"
    with part("upstream_mock", f"{url}/-/healthy", **mock):
        found = run("closed", LOCUST_HOST=f"http://127.0.0.1:{data}", LAB_UPSTREAM_CONTROL_URL=url)
    assert found.witnesses.upstream is not None
    assert found.witnesses.upstream.started == found.witnesses.locust_requests == found.witnesses.locust_failures > 0
