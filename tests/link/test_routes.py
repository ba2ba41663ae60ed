"""What is set up in the network namespace, as text."""

from link import routes

FRESH = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"


def test_a_fresh_namespace_has_nothing_to_clear() -> None:
    """Nothing is touched where no link was before."""
    assert routes.clear(routes.preferences(FRESH)) == ""


def test_clearing_gives_back_the_local_rule_before_it_takes_its_own() -> None:
    """At no moment is there no `local` rule, and every rule of an earlier link goes, however often it is there."""
    listing = "40:\tx\n41:\tx\n50:\tx\n50:\tx\n60:\tfrom all lookup local\n70:\tx\n32766:\tfrom all lookup main\n"
    assert routes.clear(routes.preferences(listing)).splitlines() == [
        "rule add pref 0 lookup local",
        *[f"rule del pref {pref}" for pref in (40, 41, 50, 50, 60, 70)],
        "route flush table 100",
    ]


def test_the_local_rule_moves_before_it_is_deleted() -> None:
    """Replies of the upstream come after it, so that loopback is left alone; probe and requests before it."""
    lines = routes.rules(8001, 40000, interfaces=["eth0", "eth1"]).splitlines()
    assert lines.index("rule add pref 60 lookup local") < lines.index("rule del pref 0")
    assert "rule add pref 70 iif lo ipproto tcp sport 8001 lookup 100" in lines
    assert "rule add pref 50 iif lo ipproto tcp sport 40000 lookup 100" in lines
    assert [line for line in lines if "dport" in line] == [
        f"rule add pref 50 iif {name} ipproto tcp dport 8001 lookup 100" for name in ("eth0", "eth1")
    ]


def test_a_dead_link_drops_rather_than_lets_through() -> None:
    """Behind the device's route there is one that drops, and cubic only where the kernel has it."""
    assert "route replace blackhole default metric 999 table 100" in routes.device(1500, cubic=False)
    assert "congctl" not in routes.device(1500, cubic=False)
    assert "dev nem0 table 100 congctl cubic" in routes.device(1400, cubic=True)
