"""`python -m upstream_mock`: starting, refusing to start, and ending."""

import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from support.eventually import eventually_sync
from support.mock_upstream import StartProcess

pytestmark = pytest.mark.slow


def listens(port: int) -> bool:
    """Whether something listens."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:  # refused, or reset if it stops listening just then
        return False
    return True


def test_it_serves_both_ports_and_ends_with_0(start_process: StartProcess) -> None:
    """One line when it serves; SIGTERM ends it with 0 and no word on stderr."""
    mock = start_process(UPSTREAM_LATENCY="constant(1ms)")
    assert mock.line() == (
        f"upstream-mock: http://127.0.0.1:{mock.data} (control {mock.control}), latency constant(1ms), "
        "capacity unlimited, payload 120 bytes, errors 0\n"
    )
    assert httpx.get(f"http://127.0.0.1:{mock.data}/work").status_code == 200
    assert httpx.get(f"http://127.0.0.1:{mock.control}/-/healthy").json() == {"status": "ok"}
    assert mock.end(signal.SIGTERM) == (0, "", "")


def test_the_first_line_names_queue_and_faults(start_process: StartProcess, tmp_path: Path) -> None:
    """What is in force and would be a riddle otherwise; a long list of rules is cut."""
    rules = "STATUS_503  path=/none;" * 20
    mock = start_process(
        UPSTREAM_CAPACITY=2,
        UPSTREAM_QUEUE=3,
        UPSTREAM_FAULT=rules,
        UPSTREAM_FAULT_RATE=0.5,
        UPSTREAM_TLS="on",
        UPSTREAM_TLS_DIRECTORY=tmp_path,
    )
    line = mock.line()
    assert "capacity 2 and queue 3, " in line
    assert "errors 0, faults STATUS_503 path=/none;STATUS_503 path=/none;" in line
    assert f" ... (rate 0.5 where none is given), clients trust {tmp_path}/ca.pem\n" in line
    assert len(line) < 600
    assert mock.end(signal.SIGTERM) == (0, "", "")


def test_requests_in_flight_are_answered_before_it_ends(start_process: StartProcess) -> None:
    """20 requests wait when SIGTERM comes; all get their answer, and no new connection is accepted."""
    mock = start_process(UPSTREAM_LATENCY="constant(1s)")
    mock.line()
    # one client: twenty would take longer to make their SSL contexts than the first request is in flight
    with httpx.Client() as client, ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(client.get, f"http://127.0.0.1:{mock.data}/work") for _ in range(20)]
        stats = f"http://127.0.0.1:{mock.control}/-/stats"
        eventually_sync(lambda: client.get(stats).json()["requests"]["in_flight"] == 20)
        mock.process.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in answers] == [200] * 20
    assert mock.end() == (0, "", "")
    assert not listens(mock.data)


def test_ctrl_c_is_130_without_a_trace(start_process: StartProcess) -> None:
    """SIGINT with an idle kept connection open ends it at once."""
    mock = start_process()
    mock.line()
    with socket.create_connection(("127.0.0.1", mock.data)) as kept:
        kept.sendall(b"GET /get HTTP/1.1\r\nhost: mock\r\n\r\n")
        assert kept.recv(100)
        assert mock.end(signal.SIGINT) == (130, "", "")


def test_a_second_ctrl_c_does_not_wait(start_process: StartProcess) -> None:
    """Two SIGINTs cut short a request of a minute, without a trace."""
    mock = start_process(UPSTREAM_LATENCY="constant(60s)")
    mock.line()
    with socket.create_connection(("127.0.0.1", mock.data)) as waiting:
        waiting.sendall(b"GET /work HTTP/1.1\r\nhost: mock\r\n\r\n")
        give_up = time.monotonic() + 5
        while not httpx.get(f"http://127.0.0.1:{mock.control}/-/stats").json()["requests"]["in_flight"]:
            assert time.monotonic() < give_up
        mock.process.send_signal(signal.SIGINT)
        give_up = time.monotonic() + 5
        while listens(mock.data):  # it stops listening, then waits for the answer
            assert time.monotonic() < give_up
        assert mock.end(signal.SIGINT) == (130, "", "")


@pytest.mark.parametrize("arguments", [("--check",), ()])
@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("UPSTREAM_CAPACITY", "many", "UPSTREAM_CAPACITY='many': not a whole number; allowed: 1 to 100000\n"),
        ("UPSTREAM_CAPACITI", "5", "UPSTREAM_CAPACITI='5': no such variable; did you mean UPSTREAM_CAPACITY?\n"),
    ],
)
def test_bad_settings(
    start_process: StartProcess, arguments: tuple[str, ...], name: str, value: str, line: str
) -> None:
    """Exit 2 and one line, by --check and at a normal start alike."""
    assert start_process(*arguments, **{name: value}).end() == (2, "", line)


def test_check_is_silent_when_all_is_well(start_process: StartProcess) -> None:
    """Exit 0, no word, and no port taken: it works beside a mock that runs."""
    mock = start_process()
    mock.line()
    assert start_process("--check", UPSTREAM_PORT=mock.data).end() == (0, "", "")


def test_config_prints_the_latency_in_figures(start_process: StartProcess) -> None:
    code, out, err = start_process("--config", UPSTREAM_LATENCY="constant(20ms)").end()
    assert (code, err) == (0, "")
    assert json.loads(out)["latency"]["mean_ms"] == 20


@pytest.mark.parametrize("name", ["UPSTREAM_PORT", "UPSTREAM_CONTROL_PORT"])
def test_a_port_in_use(start_process: StartProcess, name: str) -> None:
    """Exit 3 and one line that names the variable, before anything serves."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = f"{name}={port}: already in use on 127.0.0.1; set {name} to a free port\n"
        assert start_process(**{name: port}).end() == (3, "", line)


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("no-such-host.invalid", "UPSTREAM_HOST='no-such-host.invalid': no such host\n"),
        ("a..b", "UPSTREAM_HOST='a..b': no such host\n"),
        ("192.0.2.1", "UPSTREAM_HOST='192.0.2.1': not an address of this machine\n"),
    ],
)
def test_a_host_that_is_not_ours(start_process: StartProcess, host: str, line: str) -> None:
    """Exit 3 and one line."""
    assert start_process(UPSTREAM_HOST=host).end() == (3, "", line)


def test_help_has_every_variable(start_process: StartProcess) -> None:
    """Usage and the table, exit 0."""
    code, out, err = start_process("--help").end()
    assert (code, err) == (0, "")
    assert out.startswith("usage: python -m upstream_mock")
    assert "UPSTREAM_KEEPALIVE_SECONDS=75.0" in out


def test_an_unknown_option(start_process: StartProcess) -> None:
    """Exit 2 and how it is used."""
    code, out, err = start_process("--chek").end()
    assert (code, out) == (2, "")
    assert "--chek" in err
