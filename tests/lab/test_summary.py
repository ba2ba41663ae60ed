"""What the command line prints of a run when it has ended."""

import io
from pathlib import Path

from rich.console import Console

from lab.cli.summary import print_summary
from lab.document_part import DistributionMs
from lab.emulation import EmulatorStats
from lab.run_document import PartSettings, RunDocument, SettingsAtEnds
from support.documents import pool, run_document


def summary(document: RunDocument) -> str:
    """Return it as text, wide enough not to be broken."""
    text = io.StringIO()
    print_summary(Console(file=text, width=200), document, Path("runs/x.json"))
    return text.getvalue()


def test_the_network_in_force_is_named_with_engine_and_measurement() -> None:
    """Profile, engine, what the link measured itself, how late it was in the run."""
    network = {"summary": "edge", "engine": "tun", "measured": {"warm_request_ms": {"p50": 841.2, "n": 10}}}
    link = EmulatorStats(engine="tun", lateness_ms=DistributionMs(count=9, p50=0.1, p99=0.52), cpu_cores=0.1)
    printed = summary(run_document(network=network, link=link))
    assert "network   edge, by tun, 841.2 ms measured; lateness p50 0.10, p99 0.52 ms" in printed


def test_without_a_link_there_is_no_network_to_name() -> None:
    """A missing answer is not made up."""
    assert "network" not in summary(run_document())


def test_conditions_have_a_row_each() -> None:
    """The upstream's, what was changed during the run, what was injected; what is not as in reality by its number."""
    known = {"UPSTREAM_LATENCY": "constant(9ms)", "UPSTREAM_CAPACITY": 4, "UPSTREAM_QUEUE": 2}
    start = PartSettings(upstream=known, network={"NET_RTT_MS": 0.0})
    end = PartSettings(upstream=known, network={"NET_RTT_MS": 80.0})
    printed = summary(
        run_document(
            settings=SettingsAtEnds(start=start, end=end),
            network={"summary": "edge", "engine": "relay", "caveats": ["one", "two"]},
            link=EmulatorStats(engine="relay", injected={"reset": 2}),
        )
    )
    assert "not as in reality: 2 things, named in the document under network.caveats" in printed
    assert "upstream  constant(9ms), at once 4, 2 may wait" in printed
    assert "changed   during the run: NET_RTT_MS 0 -> 80" in printed
    assert "injected  link: reset 2" in printed
    assert {"changed", "injected", "upstream"}.isdisjoint(summary(run_document()).split())


def test_a_pattern_is_named_with_what_does_not_concern_it_and_what_it_has_lost() -> None:
    """It makes its own client, whatever PROXY_CLIENT is; forwarding has no such word."""
    proxy = {"PROXY_CLIENT": "pyreqwest", "PROXY_QUEUE": "client"}
    start = PartSettings(load={"LAB_PATTERN": "forget_aclose"}, proxy=proxy)
    printed = summary(run_document(settings=SettingsAtEnds(start=start, end=start), pool=pool(leaked=10)))
    assert "measured, by the pattern forget_aclose, which has a client of its own: PROXY_CLIENT unused" in printed
    assert "(means); 10 held by requests that are over" in printed
    plain = summary(run_document(settings=SettingsAtEnds(start=PartSettings(proxy=proxy), end=start)))
    assert "pattern" not in plain
    assert "are over" not in plain


def test_a_tuned_proxy_is_named() -> None:
    printed = summary(run_document(tuning=["garbage collection: rarely", "held heads: one packet"]))
    assert "tuned     the proxy, in 2 ways, named in the document under tuning" in printed
    assert "tuned" not in summary(run_document())
