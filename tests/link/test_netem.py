"""The netem engine: its command lines as text and through a fake tc, and what the real tc says of this kernel."""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from link import netem, qdiscs
from link.environment import mistakes
from link.model import Conditions
from link.probe import frame

BANDS = "qdisc replace dev eth0 root handle 7a: prio bands 2 priomap 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"
FILTER = "filter add dev eth0 parent 7a: protocol ip pref 1 u32 match ip protocol 6 0xff match ip sport 8001 0xffff"
ROUND_TRIP = "delay 40000us"
IN_ORDER = "5000us distribution halfnormal rate 100000000000bit"


@pytest.mark.parametrize(
    ("conditions", "line"),
    [
        (Conditions(rtt=0.04), f"netem {ROUND_TRIP} limit 100000"),
        (Conditions(rtt=0.04, jitter=0.005), f"netem {ROUND_TRIP} {IN_ORDER} limit 100000"),
        (Conditions(rtt=0.04, down=10e6), f"netem {ROUND_TRIP} rate 10000000bit limit 116"),
        (Conditions(down=10e6, queue=0.25), "netem rate 10000000bit limit 207"),
        (Conditions(down=1e4, queue=0.001), "netem rate 10000bit limit 10"),
        (Conditions(rtt=0.04, loss=0.0205), f"netem {ROUND_TRIP} loss 2.05% limit 100000"),
    ],
)
def test_conditions_are_one_netem_in_the_band_of_the_replies(conditions: Conditions, line: str) -> None:
    """Delay, jitter in order, rate with the packets of its queue and of those in flight, loss."""
    lines = netem.commands(conditions, "eth0", 8001).splitlines()
    assert lines[:3] == [BANDS, f"qdisc replace dev eth0 parent 7a:1 handle 7b: {line}", f"{FILTER} flowid 7a:1"]
    assert len(lines) == (6 if conditions.loss else 3)


@pytest.mark.parametrize(
    ("conditions", "line"),
    [
        (Conditions(rtt=0.04, jitter=0.005, up=1e6, queue=0.5), "netem rate 1000000bit limit 42"),
        (Conditions(rtt=0.04, loss=0.01, down=1e6), "netem loss 1% limit 100000"),
    ],
)
def test_the_way_up_is_a_second_device_without_delay(conditions: Conditions, line: str) -> None:
    """Requests are redirected as they arrive; the round trip has been paid on the way down."""
    lines = netem.commands(conditions, "eth0", 8001).splitlines()[3:]
    assert lines == [
        f"qdisc replace dev nem1 root handle 7b: {line}",
        "qdisc add dev eth0 ingress",
        "filter add dev eth0 parent ffff: protocol ip pref 1 u32 match ip protocol 6 0xff match ip dport 8001 0xffff "
        "action mirred egress redirect dev nem1",
    ]
    assert netem.links(conditions, ["eth0"]).splitlines()[:2] == ["link add nem1 type ifb", "link set nem1 up"]


def test_packets_are_single_where_they_are_lost_or_serialised() -> None:
    """A bundle of 64 kB would be lost, or would leave, as one."""
    single = "link set eth0 gso_max_segs 1\nlink set eth1 gso_max_segs 1\n"
    assert netem.links(Conditions(down=1e6), ["eth0", "eth1"]) == single
    assert netem.links(Conditions(loss=0.1), ["eth0", "eth1"]).endswith(single)
    assert netem.links(Conditions(rtt=0.04, jitter=0.01), ["eth0", "eth1"]) == ""


def test_what_was_set_up_is_found_again_and_removed() -> None:
    """By handle and name; a qdisc of somebody else's is left alone."""
    mine = {"kind": "prio", "handle": "7a:", "dev": "eth0", "root": True}
    other = {"kind": "fq_codel", "handle": "8001:", "dev": "eth1", "root": True}
    ingress = {"kind": "ingress", "handle": "ffff:", "dev": "eth0", "parent": "ffff:fff1"}
    tc, ip = netem.clear(json.dumps([mine, other, ingress]), ["eth0", "eth1", "nem1"])
    assert tc == "qdisc del dev eth0 root\nqdisc del dev eth0 ingress\n"
    assert ip == "link set eth0 gso_max_segs 65535\nlink del nem1\n"
    assert netem.clear(json.dumps([other, ingress]), ["eth0", "eth1"]) == ("", "")
    assert netem.clear("", []) == ("", "")


def test_only_its_own_packets_are_counted() -> None:
    """Those of the band that netem has; the prio before it counts them too."""
    held = {"kind": "netem", "handle": "7b:", "packets": 30, "bytes": 2000, "drops": 2, "qlen": 1}
    listing = json.dumps([{"kind": "prio", "handle": "7a:", "packets": 99, "drops": 2}, held, held])
    assert netem.counters(listing) == {"carried": 60, "dropped": 4, "held": 2, "bytes": 4000}


def test_the_jitter_is_the_models() -> None:
    """Half a normal distribution, cut at three deviations: never below the round trip, as with the other engines."""
    values = [int(line) / netem.SCALE for line in netem.distribution().splitlines()]
    assert (min(values) >= 0, max(values), len(values)) == (True, 3.0, 4096)
    assert values == sorted(values)
    assert statistics.fmean(values) == pytest.approx(0.798, abs=0.002)  # sqrt(2 / pi)
    assert statistics.median(values) == pytest.approx(0.674, abs=0.002)


@dataclasses.dataclass(frozen=True)
class More(Conditions):
    """Conditions of a kind that netem has never heard of."""

    idle_drop: float | None = None
    reset: float = 0.0


def test_a_condition_it_does_not_know_is_one_it_cannot_make() -> None:
    """Named in words; one that is not asked for is none."""
    known = {"rtt": 0.04, "jitter": 0.001, "down": 1e6, "up": 1e6, "queue": 0.2, "loss": 0.01}
    assert known.keys() == netem.ABLE
    assert netem.cannot(Conditions(**known)) == []
    assert netem.cannot(More(rtt=0.04)) == []
    assert netem.cannot(More(rtt=0.04, idle_drop=3.0, reset=0.1)) == ["idle drop", "reset"]


def test_what_is_otherwise_than_real_is_said() -> None:
    """Only where it matters."""
    assert netem.limits(Conditions(rtt=0.04, down=1e6)) == []
    assert len(netem.limits(Conditions(rtt=0.04, jitter=0.01))) == 1
    assert len(netem.limits(Conditions(rtt=0.04, loss=0.01))) == 2


def test_asked_for_by_name_it_refuses_what_it_cannot_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, before anything is touched."""
    monkeypatch.setenv("NET_ENGINE", "netem")
    monkeypatch.setattr("link.settings.cannot", lambda _: ["idle drop"])
    assert mistakes(os.environ) == ["NET_ENGINE='netem': netem has no idle drop; allowed: auto, tun, relay"]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Put a tc and an ip on PATH that note what they are told, and refuse lines with the text in `refuse`."""
    script = f"""#!{sys.executable}
import os, pathlib, sys
here = pathlib.Path({str(tmp_path)!r})
name = pathlib.Path(sys.argv[0]).name
batch = sys.stdin.read().splitlines() if "-batch" in sys.argv else [" ".join(sys.argv[1:])]
refused = (here / "refuse").read_text() if (here / "refuse").exists() else None
for line in batch:
    if refused and refused in line:
        print("Error: anything at all.", "Command failed -:1", sep="\\n", file=sys.stderr)
        sys.exit(2)
    table = pathlib.Path(os.environ.get("TC_LIB_DIR", "/nowhere"), "halfnormal.dist").exists()
    with (here / "told").open("a") as file:
        print(name, line, "(with table)" * table, file=file)
print((here / "listing").read_text() if (here / "listing").exists() else "[]")
"""
    for name in ("tc", "ip"):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def test_tc_is_told_the_lines_after_ip_and_with_the_table_at_hand(fake: Path) -> None:
    """The device must be there before it is shaped, and the jitter's table while tc reads it."""
    qdiscs.shape(Conditions(rtt=0.04, jitter=0.005, up=1e6), 8001, ["eth0"])
    told = (fake / "told").read_text().splitlines()
    assert told[:3] == ["ip link add nem1 type ifb ", "ip link set nem1 up ", f"tc {BANDS} (with table)"]
    assert len(told) == 8
    assert all(line.endswith("(with table)") for line in told[2:])


def test_a_trial_that_is_refused_says_what_tc_says_and_leaves_nothing(fake: Path) -> None:
    """The exit code decides; the words are only handed on."""
    assert qdiscs.no_netem() is None
    (fake / "told").unlink()
    (fake / "refuse").write_text("netem")
    assert qdiscs.no_netem() == 'tc says "Error: anything at all."'
    assert (fake / "told").read_text().splitlines()[-1].strip() == "tc qdisc del dev lo root"


def test_without_an_ifb_device_it_says_so(fake: Path) -> None:
    """One that is there already needs no trial; one that is made for it is removed."""
    assert qdiscs.no_ifb(["eth0"]) is None
    assert (fake / "told").read_text().splitlines() == ["ip link add nem1 type ifb ", "ip link del nem1 "]
    (fake / "refuse").write_text("ifb")
    assert (qdiscs.no_ifb(["eth0"]) or "").startswith("nothing can happen to requests without an IFB device (ip link")
    assert qdiscs.no_ifb(["nem1"]) is None


def test_clearing_asks_what_is_there(fake: Path) -> None:
    """And does nothing where nothing of its own is."""
    qdiscs.clear(["eth0"])
    assert (fake / "told").read_text().splitlines() == ["tc -s -j qdisc show "]
    (fake / "listing").write_text(json.dumps([{"kind": "prio", "handle": "7a:", "dev": "eth0", "root": True}]))
    qdiscs.clear(["eth0"])
    removed = ["tc qdisc del dev eth0 root (with table)", "ip link set eth0 gso_max_segs 65535 "]
    assert (fake / "told").read_text().splitlines()[2:] == removed


def test_a_place_without_tc_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not an error: the next engine is taken."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "No such file" in (qdiscs.no_netem() or "")
    qdiscs.clear(["eth0"])


def test_the_real_tc_answers_here_as_the_link_says(say) -> None:
    """What the trial finds is what a first netem by hand finds, in a network namespace of its own."""
    script = "from link import qdiscs; print(qdiscs.no_netem() or 'works')"
    space = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path)}
    said = subprocess.run(
        [*space, sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    by_hand = subprocess.run([*space, "tc", "qdisc", "add", "dev", "lo", "root", "netem"], capture_output=True)
    say(f"netem on this kernel: {said}")
    assert (said == "works") == (by_hand.returncode == 0)
    assert said == "works" or said.startswith('tc says "')


def test_the_probe_looks_like_a_reply() -> None:
    """Ethernet, IPv4, TCP from the port that the filter asks for, and each frame another one."""
    one = frame(8001, 1)
    assert (one[12:14], one[14], one[14 + 9]) == (b"\x08\x00", 0x45, 6)
    assert int.from_bytes(one[34:36]) == 8001
    assert int.from_bytes(one[16:18]) == len(one) - 14
    assert one != frame(8001, 2)
