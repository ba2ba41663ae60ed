"""What docs/architecture.md says of additions: a pattern and a verdict rule need one file, or one function.

Faults and distributions are in tests/upstream_mock, network profiles in tests/link.
"""

import sys
from pathlib import Path

import pytest

from lab import verdict
from lab.evidence import Evidence
from lab.run_document import Generator, LatencyMs, Totals, Verdict
from proxy import patterns
from support.documents import pool
from support.raw_http import get, raw_upstream, roundtrip, split
from support.servers import running_proxy

PATTERN = '''"""Answers by itself.

Under load: nothing.
"""

from fastapi import FastAPI

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont("It calls nobody.")


def build(upstream: Upstream) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/{path:path}")
    async def home(path: str) -> str:
        return path

    return app
'''


async def test_a_pattern_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "answers_by_itself.py").write_text(PATTERN)
    monkeypatch.setattr(patterns, "__path__", [*patterns.__path__, str(tmp_path)])
    try:
        async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
            _, _, listed = split(await roundtrip(proxy.port, get("/-/patterns")))
            status, _, body = split(await roundtrip(proxy.port, get("/-/patterns/answers_by_itself/work")))
    finally:
        sys.modules.pop("proxy.patterns.answers_by_itself", None)
    assert b"answers_by_itself" in listed
    assert (status, body) == (200, b'"work"')


def test_a_verdict_rule_is_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_few(seen: Evidence) -> Verdict | None:
        few = seen.totals.requests < 10
        return Verdict(bottleneck="none", because="fewer than ten requests", advice="Run longer.") if few else None

    monkeypatch.setattr(verdict, "RULES", (too_few, *verdict.RULES))
    found = {
        requests: verdict.judge(
            Evidence(
                totals=Totals(requests=requests, failures=0, rps=1.0),
                latency_ms=LatencyMs(mean=200.0),
                pool=pool(),
                cpu_cores={"proxy": 0.3, "upstream": 0.1, "link": None, "generator": 0.1},
                generator=Generator(),
                users=20,
            )
        ).because
        for requests in (9, 1000)
    }
    assert found[9] == "fewer than ten requests"
    assert "waited" in found[1000]
