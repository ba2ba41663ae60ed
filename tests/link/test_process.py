"""`python -m link` as a plain process: control port, relay, exit codes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from link.app import create_app
from link.controller import Controller
from link.engine import NullEngine
from link.engine_selection import EngineChoice
from link.settings import CHANGEABLE, Settings
from service_kit.settings_change import MAX_BODY_BYTES
from support.eventually import eventually_sync

pytestmark = pytest.mark.slow


def free_ports(count: int) -> list[str]:
    """Return ports that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Process:
    """A running link, its ports, and its first line."""

    def __init__(self, **variables: str):
        self.port, self.control, upstream = free_ports(3)
        self.upstream = int(upstream)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "link"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": ":".join(sys.path),
                "NET_PORT": self.port,
                "NET_CONTROL_PORT": self.control,
                "NET_UPSTREAM_PORT": upstream,
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.said = self._process.stdout.readline()

    def ask(self, path: str) -> Any:
        """Return the control port's answer."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control}/-/{path}", timeout=5) as answer:
            return json.load(answer)

    def put(self, body: bytes) -> tuple[int, Any]:
        """Ask for other conditions; return status and body of the answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.control}/-/config", body, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End it; return exit code and what was on stderr."""
        self._process.send_signal(number)
        _, complaints = self._process.communicate(timeout=10)
        return self._process.returncode, complaints


@pytest.fixture
def echo() -> Iterator[int]:
    """Give the port of an upstream that echoes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def _serve(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client:
                while data := client.recv(1024):
                    client.sendall(data)


def test_by_default_nothing_is_emulated_and_nothing_listens_for_data() -> None:
    """Engine off: healthy, configured as zero, measured null, no relay port."""
    process = Process()
    assert process.said == "link: engine=off (there is nothing to emulate)\n"
    assert process.ask("healthy") == {"status": "ok"}
    config = process.ask("config")
    assert (config["service"], config["engine"], config["measured"]) == ("link", "off", None)
    assert config["settings"]["NET_CONTROL_PORT"] == int(process.control)
    assert set(config["settings"]) == {f"NET_{name.upper()}" for name in Settings.model_fields}
    assert {"python", "fastapi"} <= set(config["versions"])
    assert process.ask("stats")["process"]["cpu_seconds"] > 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(process.port)))
    assert process.stop() == (0, "")


def test_a_plain_process_takes_the_relay_and_reports_why_and_what_it_measured(echo: int) -> None:
    """Never tun on a machine's own network; configured and measured are shown, and data goes through."""
    process = Process(NET_RTT_MS="20", NET_UPSTREAM_PORT=str(echo))
    assert process.said.startswith(
        "link: engine=relay (no tun: a plain process in the machine's own network namespace)"
    )
    said = re.search(r"rtt 20 ms configured, fresh request ([\d.]+) ms, warm [\d.]+ ms measured", process.said)
    assert said
    assert float(said[1]) >= 40
    config = process.ask("config")
    assert config["configured"]["rtt_ms"] == 20.0
    assert config["measured"]["warm_request_ms"]["p50"] >= 20.0
    assert config["measured"]["fresh_request_ms"] == {"p50": config["measured"]["fresh_request_ms"]["p50"], "n": 10}
    assert config["measured"]["lateness_ms"]["p99"] >= config["measured"]["lateness_ms"]["p50"] >= 0
    with socket.create_connection(("127.0.0.1", int(process.port)), timeout=5) as client:
        client.sendall(b"hello")
        assert client.recv(16) == b"hello"
    stats = process.ask("stats")
    assert stats["connections"]["accepted"] == 1
    assert stats["bytes"] == {"down": 5, "up": 5}
    assert stats["lateness_ms"]["count"] > 0
    assert process.stop(signal.SIGINT) == (130, "")


@pytest.mark.parametrize(("variable", "attribute"), [("NET_PORT", "port"), ("NET_CONTROL_PORT", "control")])
def test_a_port_in_use_is_one_line_and_exit_3(variable: str, attribute: str) -> None:
    """With the variable that moves it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = Process(NET_ENGINE="relay", **{variable: port})
        code, complaints = process.stop()
    assert process.said == ""
    assert code == 3
    assert complaints == f"{variable}={port}: already in use on 127.0.0.1; set {variable} to a free port\n"


def test_an_engine_that_is_not_available_is_one_line_and_exit_3() -> None:
    """tun on the machine's own network is refused, with the reason."""
    process = Process(NET_ENGINE="tun", NET_RTT_MS="40")
    code, complaints = process.stop()
    assert code == 3
    assert complaints.startswith("NET_ENGINE='tun': not available here: a plain process")
    assert complaints.count("\n") == 1


def test_conditions_are_changed_over_http_all_or_nothing_and_measured_again() -> None:
    """A mistake is a line and a 400 that changes nothing; what is taken over is in force, shown and measured."""
    process = Process(NET_ENGINE="relay")
    before = process.ask("config")
    changeable = ", ".join(f"NET_{name.upper()}" for name in CHANGEABLE)
    assert process.put(b'{"NET_RTT_MS": 20, "NET_LOSS_PCT": 101, "NET_PORT": 1}') == (
        400,
        {
            "mistakes": [
                f"NET_PORT='1': needs a restart; allowed: {changeable}",
                "NET_LOSS_PCT='101': too large; allowed: 0 to 100",
            ]
        },
    )
    for body, status in ((b"", 400), (b"[" * MAX_BODY_BYTES, 400), (b"x" * (MAX_BODY_BYTES + 1), 413)):
        code, answer = process.put(body)
        assert (code, len(answer["mistakes"])) == (status, 1)
    assert process.ask("config") == before
    code, config = process.put(b'{"NET_RTT_MS": 20}')
    assert (code, config["configured"]["rtt_ms"], config["measured"]) == (200, 20.0, None)
    measured = eventually_sync(lambda: process.ask("config")["measured"], within=10)
    assert measured["warm_request_ms"]["p50"] >= 20.0
    assert process.put(b'{"NET_RTT_MS": null}')[0] == 200
    assert process.ask("config")["configured"]["rtt_ms"] == 0.0
    assert process.stop() == (0, "")


def test_conditions_that_the_engine_cannot_emulate_are_a_409() -> None:
    """With the off engine nothing can be emulated; the line tells how to start the link instead."""
    process = Process()
    code, answer = process.put(b'{"NET_RTT_MS": 20}')
    (line,) = answer["mistakes"]
    assert code == 409
    assert line.startswith("NET_ENGINE='auto': no engine runs between")
    assert "NET_ENGINE=relay" in line
    assert process.ask("config")["configured"]["rtt_ms"] == 0.0
    assert process.stop() == (0, "")


async def test_it_is_not_healthy_before_it_has_measured() -> None:
    """Until then it answers 503."""
    app = create_app(Controller(Settings(), EngineChoice("off", "a test"), NullEngine()))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://link") as client:
        assert (await client.get("/-/healthy")).status_code == 503
