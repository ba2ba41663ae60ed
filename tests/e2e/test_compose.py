"""The whole loop in real Docker Compose."""

import json
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from e2e.conditions import compose
from e2e.loop import Say, assert_accounted_for, counts, one_run_at_a_time, ten_and_forty
from e2e.walk import MOST_CLICKS, MOST_SECONDS, compare_two_pool_sizes

from support.clone import Clone

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

SERVICES = ("link", "upstream-mock", "proxy", "locust")


def container(here: Clone, service: str) -> dict[str, Any]:
    identity = compose(here, "ps", "-aq", service).stdout.split()[0]
    inspected: list[dict[str, Any]] = json.loads(here.command("docker", "inspect", identity).stdout)
    return inspected[0]


def timed(here: Clone, *words: str, **variables: str) -> float:
    began = time.monotonic()
    compose(here, *words, **variables)
    return time.monotonic() - began


@pytest.fixture
def here(composed: Clone) -> Clone:
    return composed


def test_up_returns_when_it_works(here: Clone, say: Say) -> None:
    """At that moment a request goes through."""
    say("; ".join(here.measured))
    with urllib.request.urlopen(f"{here.proxy}/work", timeout=5) as answer:
        assert answer.status == 200
    assert here.get(f"{here.ui}/lab/health")["state"] == "ready"


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_right_it_does_not_need(here: Clone, service: str) -> None:
    """Read-only root, no capability kept, no new privileges, bounded, no root, published on loopback only."""
    found = container(here, service)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert 0 < host["PidsLimit"] <= 512
    assert 0 < host["Memory"] <= 1 << 30
    assert not host["Privileged"]
    assert not [mount for mount in found["Mounts"] if "docker.sock" in mount.get("Source", "")]
    for bindings in (host["PortBindings"] or {}).values():
        assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"]
    if service == "link":
        assert sorted(host["CapAdd"]) == ["MKNOD", "NET_ADMIN", "NET_RAW", "SETGID", "SETUID"]
    else:
        assert not host["CapAdd"]
        assert int(found["Config"]["User"].split(":")[0]) > 0
    status = compose(here, "exec", "-T", service, "cat", "/proc/1/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert all(int(uid) > 0 for uid in fields["Uid"].split()), fields["Uid"]
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"


def test_the_upstream_is_not_to_be_reached_from_outside(here: Clone) -> None:
    """Its network is internal and neither it nor the link publishes a port."""
    for service in ("link", "upstream-mock"):
        assert not container(here, service)["HostConfig"]["PortBindings"]
    networks = here.command("docker", "network", "inspect", f"{here.environment['COMPOSE_PROJECT_NAME']}_upstream")
    assert json.loads(networks.stdout)[0]["Internal"]


def test_the_idle_stack_costs_little(here: Clone, say: Say) -> None:
    """CPU of all four containers together, from one round of health probes to the next."""
    identities = [container(here, service)["Id"] for service in SERVICES]

    def last_probes() -> list[str]:
        return [container(here, service)["State"]["Health"]["Log"][-1]["End"] for service in SERVICES]

    newest, before, began = max(last_probes()), sum(map(_cpu_usec, identities)), time.monotonic()
    here.until(lambda: min(last_probes()) > newest, 30)
    share = (sum(map(_cpu_usec, identities)) - before) / 1e6 / (time.monotonic() - began)
    say(f"idle stack, health probes included: {share:.3f} cores")
    assert share < 0.5


def _cpu_usec(identity: str) -> int:
    """CPU time of a container by its cgroup, v2 or v1."""
    for path, scale in (
        (f"/sys/fs/cgroup/system.slice/docker-{identity}.scope/cpu.stat", 1),
        (f"/sys/fs/cgroup/docker/{identity}/cpu.stat", 1),
        (f"/sys/fs/cgroup/cpuacct/docker/{identity}/cpuacct.usage", 1000),
        (f"/sys/fs/cgroup/cpu,cpuacct/docker/{identity}/cpuacct.usage", 1000),
    ):
        if Path(path).exists():
            text = Path(path).read_text()
            return int(text.split()[1]) if "usage_usec" in text else int(text) // scale
    raise AssertionError("no cgroup of the container was found")


def test_ten_and_forty_connections(here: Clone, say: Say) -> None:
    """The same as with processes."""
    ten_and_forty(here, say)


def test_a_run_from_the_ui_is_accounted_for(here: Clone, say: Say) -> None:
    """Recorded in the named volume by a Locust that is not root."""
    compose(here, "up", "-d", "--wait")
    document = here.ui_run(users=20, seconds=4)
    say(f"UI: {counts(document)}")
    assert_accounted_for(document)


def test_a_changed_variable_recreates_only_what_it_concerns(here: Clone, say: Say) -> None:
    """And within seconds: printed."""
    compose(here, "up", "-d", "--wait")
    before = {service: container(here, service)["Id"] for service in SERVICES}
    seconds = timed(here, "up", "-d", "--wait", PROXY_MAX_CONNECTIONS="20")
    say(f"docker compose up -d --wait after a changed variable: {seconds:.1f} s")
    after = {service: container(here, service)["Id"] for service in SERVICES}
    assert {service for service in SERVICES if before[service] != after[service]} == {"proxy"}
    assert here.get(f"{here.proxy}/-/config")["settings"]["PROXY_MAX_CONNECTIONS"] == 20


def connect_ms(here: Clone, count: int = 11) -> list[float]:
    """Milliseconds that the proxy's container needs to connect to the upstream, one by one."""
    code = (
        "import socket,time\n"
        f"for _ in range({count}):\n"
        "    t=time.perf_counter(); s=socket.create_connection(('upstream-mock',8001),5)\n"
        "    print((time.perf_counter()-t)*1000); s.close()\n"
    )
    return sorted(float(line) for line in compose(here, "exec", "-T", "proxy", "python", "-c", code).stdout.split())


def test_40_ms_are_40_ms_and_stay_in_force(here: Clone, say: Say) -> None:
    """By the tun engine; also after the mock was killed, and after the link was."""
    network = {"NET_RTT_MS": "40"}
    compose(here, "up", "-d", "--wait", **network)
    shown = compose(here, "logs", "link", **network).stdout
    assert "engine=tun" in shown
    for what in ("fresh", "mock killed", "link killed", "link restarted"):
        if what == "mock killed":
            here.command("docker", "kill", container(here, "upstream-mock")["Id"])
            compose(here, "up", "-d", "--wait", **network)
        if what == "link killed":
            here.command("docker", "kill", container(here, "link")["Id"])
            compose(here, "up", "-d", "--wait", **network)
        if what == "link restarted":
            compose(here, "restart", "link", **network)
            compose(here, "up", "-d", "--wait", **network)
        times = connect_ms(here)
        say(f"{what}: connect {times[0]:.1f} to {times[-1]:.1f} ms, median {times[len(times) // 2]:.1f}")
        assert times[0] >= 40
        assert times[len(times) // 2] < 50
        with urllib.request.urlopen(f"{here.proxy}/work", timeout=5) as answer:
            assert answer.status == 200


def test_the_relay_takes_over_where_it_is_asked_for(here: Clone) -> None:
    """The proxy knows nothing of it, and a request still costs its round trip."""
    document = here.run_json(
        "--users", "4", "--time", "3s", "NET_RTT_MS=40", "NET_ENGINE=relay", "UPSTREAM_LATENCY=constant(10ms)"
    )
    assert document["network"]["engine"] == "relay"
    assert document["latency_ms"]["p50"] >= 50
    assert_accounted_for(document)


def test_an_upstream_killed_during_a_run_gives_coded_errors(here: Clone, say: Say) -> None:
    """502 or 504 while it is away, and a whole document."""
    compose(here, "up", "-d", "--wait")
    found: dict[str, Any] = {}
    running = threading.Thread(target=lambda: found.update(document=here.ui_run(users=10, seconds=8)))
    running.start()
    here.until(lambda: here.in_flight() >= 5, 20)
    here.command("docker", "kill", container(here, "upstream-mock")["Id"])
    here.until(lambda: sum(here.get(f"{here.proxy}/-/pool")["errors"].values()) > 0, 10)
    compose(here, "up", "-d", "--wait")
    running.join()
    errors = found["document"]["errors"]
    say(f"upstream killed: {errors}")
    assert errors
    assert all(kind.startswith(("502 ", "503 ", "504 ")) for kind in errors)


def test_a_service_that_has_just_started_stops_at_once(here: Clone, say: Say) -> None:
    """Its interpreter is still importing then, and process 1 hears nothing that it has not asked for."""
    compose(here, "up", "-d", "--wait")
    for service in ("proxy", "upstream-mock", "locust", "link"):
        compose(here, "restart", service)
        began = time.monotonic()
        compose(here, "stop", service)
        took = time.monotonic() - began
        say(f"{service}: stopped after {took:.1f} s")
        assert took < 15, service  # the grace period is 35 s


def test_sigterm_answers_what_is_in_flight_and_exits_0(here: Clone) -> None:
    """docker stop under load."""
    compose(here, "up", "-d", "--wait")
    running = threading.Thread(target=lambda: here.ui_run(users=10, seconds=4))
    running.start()
    here.until(lambda: here.in_flight() >= 5, 20)
    compose(here, "stop", "proxy")
    assert container(here, "proxy")["State"]["ExitCode"] == 0
    running.join()
    compose(here, "up", "-d", "--wait")


def test_a_bad_setting_ends_the_service_with_one_line(here: Clone) -> None:
    """Compose alone, without ./sandbox: exit 2, and the line is in the log."""
    done = compose(here, "run", "--rm", "--no-deps", "-T", "proxy", expect=2, PROXY_MAX_CONNECTIONS="zero")
    assert "PROXY_MAX_CONNECTIONS='zero': not a whole number; allowed: 1 to 10000" in done.stderr


def test_two_workers_in_containers_are_accounted_for(here: Clone, say: Say) -> None:
    """Locust's own master and workers, scaled by Compose."""
    profile = {"COMPOSE_PROFILES": "workers"}
    compose(here, "up", "-d", "--wait", "--scale", "locust-worker=2", **profile)
    here.until(lambda: here.get(f"{here.ui}/lab/health")["workers"] >= 2, 30)
    for _ in range(2):
        document = here.ui_run(users=20, seconds=2, timeout=90)
        say(f"two workers: {counts(document)}")
        assert_accounted_for(document)


def test_runs_outlive_the_stack(here: Clone) -> None:
    """They lie in a named volume."""
    before = len(here.get(f"{here.ui}/lab/runs.json"))
    assert before > 0
    compose(here, "--profile", "workers", "down", "-t", "2")
    compose(here, "up", "-d", "--wait")
    assert len(here.get(f"{here.ui}/lab/runs.json")) == before


def test_one_run_at_a_time(here: Clone) -> None:
    """Of the UI or of the command line."""
    one_run_at_a_time(here)


@pytest.mark.timing
@pytest.mark.browser
def test_two_pool_sizes_compared_in_the_browser(here: Clone, tmp_path: Path, say: Say) -> None:
    """Without a terminal."""
    clicks, seconds = compare_two_pool_sizes(here.ui, tmp_path)
    say(f"two pool sizes in the browser: {clicks} clicks, {seconds:.0f} s")
    assert clicks <= MOST_CLICKS
    assert seconds <= MOST_SECONDS
