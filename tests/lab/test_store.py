import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.run_name import new_run_id
from lab.store import RunNotFound, RunStore
from support.documents import STARTED, run_document


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Whole, and no temporary file stays."""
    document = run_document()
    path = RunStore(tmp_path / "runs").write(document)
    assert RunStore(tmp_path / "runs").read(document.id) == document
    assert [file.name for file in path.parent.iterdir()] == [f"{document.id}.json"]


def test_a_run_of_the_first_version_is_still_read(tmp_path: Path) -> None:
    """Its keys `struck`, `says`, `unheard` and `limits` are `injected`, `summary`/`message`, `missing`, `caveats`."""
    old = json.loads(run_document().model_dump_json()) | {
        "schema_version": 1,
        "audit": {
            "agreed": False,
            "checks": [{"name": "sent = received", "left": 3, "right": 3, "difference": 0, "says": "3 = 3"}],
            "unheard": ["upstream"],
        },
        "network": {"says": "40 ms round trip", "engine": "relay", "limits": ["loss is a delay"]},
        "link": {"struck": {"reset": 2}},
        "generator": {"offered_rps": None, "achieved_rps": 3.0},  # fields that are no more
    }
    for part in ("window", "whole", "first_byte_ms", "failures", "attribution", "closings", "host"):
        del old[part]
    (tmp_path / f"{old['id']}.json").write_text(json.dumps(old))
    read = RunStore(tmp_path).read(old["id"])
    assert (read.audit.missing, read.audit.checks[0].message) == (["upstream"], "3 = 3")
    assert read.network is not None
    assert (read.network.summary, read.network.caveats) == ("40 ms round trip", ["loss is a delay"])
    assert read.link is not None
    assert read.link.injected == {"reset": 2}
    written = read.model_dump_json()
    assert not any(f'"{key}"' in written for key in ("struck", "says", "unheard", "limits"))


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole or not at all."""
    store = RunStore(tmp_path)
    store.write(run_document())

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        store.write(run_document(label="other"))
    assert store.read(run_document().id).label == "ten"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_run_is_found_by_id_beginning_or_newest_label(tmp_path: Path) -> None:
    """An ambiguous beginning and an unknown name are one line each."""
    store = RunStore(tmp_path)
    store.write(run_document("20261120T120000Z-0001", label="ten"))
    store.write(run_document("20261120T130000Z-0002", label="ten", started_at=STARTED + timedelta(hours=1)))
    assert store.find("20261120T120000Z-0001").id.endswith("0001")
    assert store.find("20261120T13").id.endswith("0002")
    assert store.find("0001").id == "20261120T120000Z-0001"
    assert store.find("ten").id.endswith("0002")
    with pytest.raises(RunNotFound, match="fits 2 run ids"):
        store.find("20261120")
    with pytest.raises(RunNotFound, match="no run has the id or the label 'x'"):
        store.find("x")


def test_summaries_are_newest_first_and_pass_over_what_is_no_run(tmp_path: Path) -> None:
    """A broken file does not hide the others."""
    store = RunStore(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    store.write(run_document("a"))
    store.write(run_document("b", started_at=STARTED + timedelta(seconds=1)))
    assert [summary.id for summary in store.summaries()] == ["b", "a"]
    assert store.summaries()[0].max_connections == 10
    store.write(run_document("a", label="new"))
    assert store.summaries()[1].label == "new"
    assert RunStore(tmp_path / "nowhere").summaries() == []


def test_run_ids_sort_by_time_and_do_not_collide() -> None:
    """Two in one second differ."""
    now = datetime(2026, 11, 20, 22, 15, 30, tzinfo=UTC)
    ids = {new_run_id(now) for _ in range(20)}
    assert len(ids) > 15
    assert all(run_id.startswith("20261120T221530Z-") for run_id in ids)
    assert max(ids) < new_run_id(now + timedelta(seconds=1))
