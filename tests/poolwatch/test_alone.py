"""poolwatch needs no package, installs into an empty environment, and goes on where a private name is gone."""

import ast
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import httpx
import pytest
from aiohttp.client_proto import ResponseHandler

import poolwatch
from support.raw_http import raw_upstream
from support.servers import uncovered

ROOT = Path(__file__).parents[2]
WHERE_THE_APP_HAS_IT = {("aiohttp_session.py", "aiohttp")}
"""Imported in a function, that a client of this library has called for."""


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the packages that code imports, at its top level or within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield (node.module or "").partition(".")[0]


def test_it_imports_the_standard_library_and_itself() -> None:
    found = set()
    for path in (ROOT / "poolwatch/src/poolwatch").rglob("*.py"):
        tree = ast.parse(path.read_text())
        for package in imported(tree):
            if package not in sys.stdlib_module_names and package != "poolwatch":
                found.add((path.name, package))
        at_the_top = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        assert {*imported(at_the_top)} <= {*sys.stdlib_module_names, "poolwatch"}, path
    assert found == WHERE_THE_APP_HAS_IT


@pytest.mark.slow
def test_it_installs_into_an_empty_environment(tmp_path: Path) -> None:
    """From its source, without an index: built by the setuptools that is here."""
    source = shutil.copytree(
        ROOT / "poolwatch", tmp_path / "poolwatch", ignore=shutil.ignore_patterns("build", "*.egg*")
    )
    offline = ["--no-index", "--no-deps", "-q", "--disable-pip-version-check"]
    wheels = str(tmp_path / "wheels")
    pip = [sys.executable, "-m", "pip"]
    built = [*pip, "wheel", *offline, "--no-build-isolation", "-w", wheels, str(source)]
    subprocess.run(built, check=True, timeout=120, env=uncovered())
    environment = tmp_path / "venv"
    venv = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(venv, check=True, timeout=60, env=uncovered())
    python = str(environment / "bin/python")
    (wheel,) = Path(wheels).iterdir()
    subprocess.run([*pip, "--python", python, "install", *offline, str(wheel)], check=True, timeout=60, env=uncovered())
    code = "import poolwatch, importlib.metadata as m; print(m.requires('poolwatch'), callable(poolwatch.page))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.stdout == "None True\n", done.stderr


async def test_an_aiohttp_that_reports_no_closing_is_observed_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(ResponseHandler, "closed")
    with caplog.at_level(logging.WARNING, "poolwatch"):
        async with raw_upstream() as upstream, aiohttp.ClientSession() as session:
            watch = poolwatch.observe(session)
            for _ in range(2):
                async with session.get(upstream.url) as response:
                    assert await response.text() == "ok"
            monkeypatch.undo()  # aiohttp itself asks for it when a session is closed
    assert [record.getMessage() for record in caplog.records] == [
        "this aiohttp does not report that a connection was closed"
    ]
    now = watch.snapshot()
    assert [now[name] for name in ("requests", "opened", "reused", "closed", "active")] == [2, 1, 1, 0, 0]


@pytest.mark.parametrize("name", ["_transport", "_pool", "_network_backend"])
async def test_an_httpx_without_the_private_names_is_refused(name: str) -> None:
    """In one sentence, before anything was changed."""
    async with httpx.AsyncClient() as client:
        holder = {"_transport": client, "_pool": client._transport}.get(name) or client._transport._pool  # type: ignore[attr-defined]
        kept = holder.__dict__.pop(name)
        client._mounts.clear()
        with pytest.raises(ValueError, match="no transport with a pool"):
            poolwatch.observe(client)
        setattr(holder, name, kept)
