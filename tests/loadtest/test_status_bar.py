"""What the pages show of runs: names, failures, limits, silent services; and the address that Locust logs."""

import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest

from lab.conclusion import Bottleneck
from lab.run_document import PartSettings, RunDocument
from lab.run_name import run_name
from lab.store import summarise
from lab.wording import LIMITS, limit_label
from loadtest.launch import LOCUSTFILE
from loadtest.locust_glue import address, without_invitation
from loadtest.status_bar import failed_words, last_words, silent_words

STARTED = datetime(2026, 11, 20, 23, 36, 5, tzinfo=UTC)
RUN_ID = "20261120T233605Z-f08e"
URLS = {"proxy": "http://proxy:8000", "upstream": "http://mock:8091", "link": "http://link:8092"}


def run(requests: int, errors: dict[str, int], **more: Any) -> RunDocument:
    """A run of so many requests, of which so many failed of what."""
    ends: dict[str, dict[str, Any]] = {"start": {}, "end": {}}
    failures = sum(errors.values())
    return RunDocument.model_validate(
        {
            "id": RUN_ID,
            "mode": "ui",
            "status": "finished",
            "started_at": STARTED,
            "stopped_at": STARTED + timedelta(seconds=30),
            "window_seconds": 30.0,
            "users": 20,
            "settings": ends,
            "versions": {},
            "totals": {"requests": requests, "failures": failures, "rps": requests / 30},
            "latency_ms": {},
            "errors": errors,
            "cpu_cores": {},
            "witnesses": {"locust_requests": requests, "locust_failures": failures},
            "audit": {"agreed": True, "checks": []},
            "generator": {},
            "verdict": {"bottleneck": "none", "because": "it was so", "advice": "Change it."},
            "series": [],
            **more,
        }
    )


def test_a_run_is_called_by_its_label_or_by_when_and_the_end_of_its_id() -> None:
    """In UTC, whatever the clock's zone."""
    there = STARTED.astimezone(timezone(timedelta(hours=5)))
    assert run_name("ten", STARTED, RUN_ID) == "ten"
    assert run_name("", there, RUN_ID) == "11-20 23:36 f08e"


def test_failures_are_in_the_banner_with_what_they_were() -> None:
    """The most frequent first, three kinds at most; a run without has none to show."""
    assert last_words(run(350, {"500 upstream": 350}))["failed"] == "350 of 350 failed: 500 upstream 350"
    many = {"a": 1, "b": 4, "c": 3, "d": 2, "e": 1}
    assert failed_words(run(20, many)) == "11 of 20 failed: b 4, c 3, d 2 and 2 more"
    assert last_words(run(350, {}))["failed"] == ""


def test_every_limit_has_words_and_a_colour() -> None:
    """The words are in lab only; the browser is sent them."""
    style = LOCUSTFILE.with_name("static").joinpath("sandbox.css").read_text()
    assert set(get_args(Bottleneck)) == set(LIMITS)
    assert [limit for limit in LIMITS if f".badge.{limit}" not in style] == []
    assert last_words(run(10, {}))["limit"] == limit_label("none") == "No limit reached"
    assert limit_label("pool") == "Limit: the pool"


def test_a_part_that_does_not_answer_is_named_with_its_address_and_its_log() -> None:
    """A sentence each; parts that answer are not mentioned."""
    assert silent_words(PartSettings(upstream={}, network={}), URLS) == [
        "the proxy does not answer at http://proxy:8000: see `docker compose logs proxy`"
    ]
    assert len(silent_words(PartSettings(), URLS)) == 3
    note = "the link's answer to /-/config is not understood"
    assert silent_words(PartSettings(proxy={}, upstream={}), URLS, {"link": note}) == [note]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1", "locust: http://127.0.0.1:8089"),
        ("::1", "locust: http://[::1]:8089"),
        ("0.0.0.0", "locust: port 8089"),
        ("", "locust: port 8089"),
    ],
)
def test_an_address_that_cannot_be_opened_is_not_shown(host: str, words: str) -> None:
    """In a container Locust listens on every address: only the port is true of it."""
    assert address(host, 8089) == words


def test_only_locusts_invitation_is_changed() -> None:
    """Other programs wait for the first words of that line."""
    texts = ("Starting web interface at http://0.0.0.0:8089, press enter to open", "Run time limit set")
    records = [logging.LogRecord("locust.main", logging.INFO, "main.py", 1, text, (), None) for text in texts]
    assert all(without_invitation(record) for record in records)
    assert [record.getMessage() for record in records] == ["Starting web interface ...", "Run time limit set"]


def test_changes_and_injected_faults_are_shown_of_the_last_run() -> None:
    """Failures are shown once, in red. A document written under older names is read."""
    ends = {"start": {"network": {"NET_RTT_MS": 0.0}}, "end": {"network": {"NET_RTT_MS": 80.0}}}
    because = "the pool was full; 2 of 10 requests failed (500 upstream 2); the link was late"
    judged = {"bottleneck": "pool", "because": because, "advice": "Change it."}
    document = run(10, {"500 upstream": 2}, settings=ends, verdict=judged, link={"injected": {"reset": 2}})
    shown = last_words(document)
    assert (shown["changed"], shown["injected"]) == ("NET_RTT_MS 0 -> 80", "link: reset 2")
    assert shown["because"] == "the pool was full; the link was late"
    assert summarise(document).changed == "NET_RTT_MS 0 -> 80"
    assert summarise(run(10, {})).changed == ""
