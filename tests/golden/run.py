"""Prints the run document of a run that the golden scenario's pool, before and after, and its ledger tell of."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from lab.account.window import Window
from lab.run_document import Generator
from lab.wire.proxy import LedgerPage, PoolStats, ProxyConfig
from loadtest.document_builder import document
from loadtest.locust_stats import Counts
from loadtest.observation import Observation
from loadtest.snapshot import Snapshot
from loadtest.span import Span

shown = json.loads(Path(sys.argv[1]).read_text())
before, after = (
    Snapshot(
        at=at,
        proxy_config=ProxyConfig(settings={"PROXY_MAX_CONNECTIONS": 2}),
        pool=PoolStats.model_validate(shown[name]["body"]),
    )
    for at, name in ((100.0, "pool at first"), (101.0, "pool"))
)
seen = Observation(
    run_id="20261128-2",
    mode="headless",
    status="finished",
    started_at=datetime(2026, 11, 28, tzinfo=UTC),
    users=3,
    load_settings={"LOCUST_USERS": 3},
    whole=Span(
        Window(begin_seconds=0.0, end_seconds=1.0, steady=False),
        before,
        after,
        Counts(3, 0, 60.0, 21.0, 0.0, {20.0: 2, 21.0: 1}),
        0.2,
    ),
    generator=Generator(cpu_cores=0.2),
    ledger=LedgerPage.model_validate(shown["ledger"]["body"]),
)
document_now = json.loads(document(seen).model_dump_json())
document_now.pop("versions")
print(json.dumps(document_now, indent=1))
