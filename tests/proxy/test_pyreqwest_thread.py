"""The thread of pyreqwest's runtime does not interrupt the event loop's."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from proxy.clients.pyreqwest_thread import let_the_loop_finish
from support.raw_http import raw_upstream
from support.servers import free_port, part


def policies(pid: int) -> dict[str, set[int]]:
    """The scheduling policies of a process's threads, by name."""
    found: dict[str, set[int]] = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found.setdefault((thread / "comm").read_text().strip(), set()).add(os.sched_getscheduler(int(thread.name)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="threads are told by Linux's /proc")
def test_only_the_librarys_thread_is_batch_work() -> None:
    """In the proxy as it is started, before its first request."""

    async def scenario() -> None:
        port = free_port()
        async with raw_upstream() as upstream:
            settings = {"PROXY_PORT": port, "PROXY_UPSTREAM_URL": upstream.url, "PROXY_CLIENT": "pyreqwest"}
            proxy = part("proxy", f"http://127.0.0.1:{port}/-/healthy", **settings)
            process = await asyncio.to_thread(proxy.__enter__)
            try:
                await asyncio.sleep(0.3)
                found = policies(process.process.pid)
            finally:
                await asyncio.to_thread(proxy.__exit__, None, None, None)
        assert found.pop("pyreqwest") == {os.SCHED_BATCH}
        assert set.union(*found.values()) == {os.SCHED_OTHER}

    asyncio.run(scenario())


def test_where_threads_cannot_be_told_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not Linux, or a thread that has just ended."""
    monkeypatch.setattr("proxy.clients.pyreqwest_thread._THREADS", tmp_path / "nothing")
    assert let_the_loop_finish() == 0
    gone = tmp_path / "4194304"
    gone.mkdir()
    (gone / "comm").write_text("pyreqwest\n")
    monkeypatch.setattr("proxy.clients.pyreqwest_thread._THREADS", tmp_path)
    assert let_the_loop_finish() == 0
