"""What is tuned, by which client or variable, and that nothing is tuned unless it is asked for."""

import asyncio
import gc
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from proxy.settings import Settings
from proxy.tuning import in_force, make_pyreqwest_threads_batch_work
from support.raw_http import raw_upstream
from support.servers import free_port, part

pytestmark = pytest.mark.slow


def policies(pid: int) -> dict[str, set[int]]:
    """The scheduling policies of a process's threads, by name."""
    found: dict[str, set[int]] = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found.setdefault((thread / "comm").read_text().strip(), set()).add(os.sched_getscheduler(int(thread.name)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="threads are told by Linux's /proc")
async def test_only_the_librarys_thread_is_batch_work() -> None:
    """In the proxy as it is started, before its first request."""

    port = free_port()
    async with raw_upstream() as upstream:
        settings = {"PROXY_PORT": port, "PROXY_UPSTREAM_URL": upstream.url, "PROXY_CLIENT": "pyreqwest"}
        settings["PROXY_TUNING"] = "on"
        proxy = part("proxy", f"http://127.0.0.1:{port}/-/healthy", **settings)
        process = await asyncio.to_thread(proxy.__enter__)
        try:
            await asyncio.sleep(0.3)
            found = policies(process.process.pid)
        finally:
            await asyncio.to_thread(proxy.__exit__, None, None, None)
    assert found.pop("pyreqwest") == {os.SCHED_BATCH}
    assert set.union(*found.values()) == {os.SCHED_OTHER}


def test_where_threads_cannot_be_told_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not Linux, or a thread that has just ended."""
    monkeypatch.setattr("proxy.tuning._THREADS", tmp_path / "nothing")
    assert make_pyreqwest_threads_batch_work() == 0
    gone = tmp_path / "4194304"
    gone.mkdir()
    (gone / "comm").write_text("pyreqwest\n")
    monkeypatch.setattr("proxy.tuning._THREADS", tmp_path)
    assert make_pyreqwest_threads_batch_work() == 0


def test_only_httpcore_is_tuned_unless_it_is_asked_for() -> None:
    tuned = {
        client: in_force(Settings(client=client)) for client in ("httpx", "httpx2", "aiohttp", "pyreqwest", "httpcore")
    }
    assert [client for client, what in tuned.items() if what] == ["httpcore"]
    assert in_force(Settings(client="httpcore", tuning="off")) == []
    assert [one.split(":")[0] for one in in_force(Settings(client="httpx", tuning="on"))] == [
        "garbage collection",
        "held heads",
        "shared epoll",
        "early answers",
        "imports",
    ]


def config_of(**settings: object) -> dict[str, Any]:
    """What /-/config of a proxy process says, its sources on one entry of the path, as in the image."""
    port = free_port()
    one_entry = Path(sys.prefix, f"lib/python3.{sys.version_info.minor}/site-packages")
    variables = {"PROXY_PORT": port, "PYTHONPATH": one_entry, **settings}
    with part("proxy", f"http://127.0.0.1:{port}/-/healthy", **variables):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/config", timeout=5) as answer:
            document: dict[str, Any] = json.load(answer)
        return document


def test_by_default_imports_and_garbage_collection_are_pythons_own() -> None:
    found = config_of()
    assert found["tuning"] == []
    assert found["python"]["sniffio"] == "absent"
    assert found["python"]["gc_threshold"] == list(gc.get_threshold())
    assert found["python"]["path_entries_of_ours"] <= 1


def test_sniffio_is_there_when_it_is_asked_for() -> None:
    found = config_of(PROXY_SNIFFIO="present")
    assert found["python"]["sniffio"] == "present"
    assert found["python"]["path_entries_of_ours"] <= 1


def test_httpcore_is_tuned_and_says_so() -> None:
    found = config_of(PROXY_CLIENT="httpcore")
    assert [one.split(":")[0] for one in found["tuning"]][:2] == ["garbage collection", "held heads"]
    assert found["python"]["sniffio"] == "marked as missing"
    assert found["python"]["gc_threshold"][0] == 10_000


def test_a_change_to_or_from_the_tuned_client_needs_a_restart() -> None:
    port = free_port()
    settings = {"PROXY_PORT": port, "PROXY_ADMIN": "true"}
    with part("proxy", f"http://127.0.0.1:{port}/-/healthy", **settings):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/-/config", b'{"PROXY_CLIENT": "httpcore"}', method="PUT"
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
    with refused.value as answer:
        document = json.load(answer)
    assert answer.code == 409
    assert "restart" in document["mistakes"][0]


def test_a_pattern_is_refused_while_the_process_is_tuned() -> None:
    port = free_port()
    proxy = part("proxy", f"http://127.0.0.1:{port}/-/healthy", PROXY_PORT=port, PROXY_CLIENT="httpcore")
    with proxy, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/-/patterns/async_lifespan_state/work", timeout=5)
    with refused.value as answer:
        document = json.load(answer)
    assert answer.code == 409
    assert answer.headers["x-proxy-error"] == document["error"]["code"] == "tuned"
