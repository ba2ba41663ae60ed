"""What the command line says of a run when it has ended."""

import io
from pathlib import Path

from rich.console import Console

from lab.cli.summary import print_summary
from lab.run_document import DistributionMs, RunDocument, StandIn
from support.documents import run_document


def summary(document: RunDocument) -> str:
    """Return it as text, wide enough not to be broken."""
    text = io.StringIO()
    print_summary(Console(file=text, width=200), document, Path("runs/x.json"))
    return text.getvalue()


def test_the_network_in_force_is_named_with_engine_and_measurement() -> None:
    """Profile, engine, what the link measured itself, how late it was in the run."""
    network = {"says": "edge", "engine": "tun", "measured": {"warm_request_ms": {"p50": 841.2, "n": 10}}}
    link = StandIn(engine="tun", lateness_ms=DistributionMs(count=9, p50=0.1, p99=0.52), cpu_cores=0.1)
    said = summary(run_document(network=network, link=link))
    assert "network   edge, by tun, 841.2 ms measured; lateness p50 0.10, p99 0.52 ms" in said


def test_without_a_link_there_is_no_network_to_name() -> None:
    """What was not heard is not made up."""
    assert "network" not in summary(run_document())
