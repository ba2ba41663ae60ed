"""What docs/architecture.md says of additions: a pattern and a verdict rule need one file.

Faults and distributions are in tests/upstream_mock, network profiles in tests/link.
"""

import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from lab.account.places import Owner, Place
from lab.conclusion import Bottleneck
from lab.run_document import Totals
from lab.verdict import rules
from lab.verdict.judge import judge
from proxy import patterns
from support.documents import run_document
from support.raw_http import get, raw_upstream, roundtrip, split
from support.servers import ROOT, running_proxy

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


RULE = '''"""Runs of few requests."""

from lab.conclusion import Advice, Finding
from lab.verdict.facts import Facts


def find(facts: Facts) -> Finding | None:
    if facts.run.totals.requests >= 10:
        return None
    return Finding(
        bottleneck="generator", owner="load", share=1.0, because="fewer than ten", advice=Advice(words="Run longer.")
    )
'''


def test_a_verdict_rule_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "few_requests.py").write_text(RULE)
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path)])
    try:
        few, many = (
            judge(run_document(totals=Totals(requests=requests, failures=0, rps=1.0))) for requests in (9, 1000)
        )
    finally:
        sys.modules.pop("lab.verdict.rules.few_requests", None)
    assert (few.because, few.advice.words) == ("fewer than ten", "Run longer.")
    assert many.because != "fewer than ten"


def test_each_word_of_a_verdict_has_a_situation_that_makes_it() -> None:
    """bench/staged.py makes them, which takes too long for a test."""
    stagings = tomllib.loads((ROOT / "bench" / "stagings.toml").read_text())["staging"]
    assert {staging["cause"] for staging in stagings} == set(get_args(Bottleneck))
    assert {staging["owner"] for staging in stagings if "owner" in staging} == set(get_args(Owner))
    unmade = {Place.DNS}  # docs/runs.md: no variable makes looking up a name slow
    assert {staging["place"] for staging in stagings if "place" in staging} == set(Place) - unmade
