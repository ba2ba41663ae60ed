"""What makes a run's figures other than those of what was set: beside the verdict, in proportion."""

from lab.account.places import Place
from lab.conclusion import Caveat
from lab.emulation import EmulatorStats
from lab.verdict.facts import CPU_FULL, MACHINE_FULL, Facts
from lab.verdict.timeouts import wrong_order
from lab.wording import injected_words

WORTH_A_WORD = 0.02
"""Share of the users' time from which on an emulator's lateness is mentioned."""

MISSED = 0.01
"""Share of the arrivals that were dropped or late from which on it is mentioned."""

_EMULATORS = {"upstream": "the mock upstream", "network": "the emulated network"}
_PARTS = {"proxy": "the proxy", "upstream": "the mock upstream", "link": "the emulated network"}


def caveats(facts: Facts) -> list[Caveat]:
    run = facts.run
    found = [
        _late(facts, "upstream", run.upstream),
        _late(facts, "network", run.link),
        _window(facts),
        _arrivals(facts),
        _full(facts),
        _failures(facts),
        _descriptors(facts),
        _backlog(facts),
        *wrong_order(facts),
    ]
    if facts.whole.failures and (injected := injected_words(run.link, run.upstream)):
        found.append(Caveat(about="injected", because=f"injected on purpose: {injected}"))
    return [caveat for caveat in found if caveat is not None]


def _late(facts: Facts, about: str, stats: EmulatorStats | None) -> Caveat | None:
    late = stats.lateness_ms.mean if stats and stats.lateness_ms else None
    if not late or not facts.users_ms or late < WORTH_A_WORD * facts.users_ms:
        return None
    share = min(late / facts.users_ms, 1.0)
    because = f"{_EMULATORS[about]} was late by {late:.1f} ms in the mean, {share:.0%} of the users' time"
    return Caveat(about=about, because=because, share=round(share, 4))


def _window(facts: Facts) -> Caveat | None:
    window = facts.run.window
    if window is None or window.steady:
        return None
    return Caveat(about="window", because=f"ramp and end are averaged in: {window.because}")


def _arrivals(facts: Facts) -> Caveat | None:
    found = facts.run.witnesses.arrivals
    if found is None or not found.scheduled:
        return None
    missed, late = found.dropped / found.scheduled, found.late / found.scheduled
    if max(missed, late) < MISSED:
        return None
    parts = []
    if found.dropped:
        parts.append(f"{found.dropped} were dropped, as LAB_USER_KIND's in_flight were under way")
    if found.late:
        parts.append(f"{found.late} started more than 10 ms late")
    because = f"the load was not quite as set: of {found.scheduled} arrivals {' and '.join(parts)}"
    return Caveat(about="arrivals", because=because, share=round(missed, 4))


def _full(facts: Facts) -> Caveat | None:
    host = facts.run.host
    if facts.cpu_share("generator") >= CPU_FULL:
        because = f"Locust had no CPU left ({facts.run.cpu_cores.get('generator') or 0:.2f} cores)"
        return Caveat(about="generator", because=because, share=facts.share(Place.CALLER_SIDE))
    if host is not None and host.busy_share is not None and host.busy_share >= MACHINE_FULL:
        others = max(host.cores * host.busy_share - facts.own_cores, 0.0)
        because = f"all {host.cores} cores were busy, {others:.1f} of them with other work than the sandbox's"
        return Caveat(about="machine", because=because)
    return None


def _descriptors(facts: Facts) -> Caveat | None:
    host = facts.run.host
    full = [name for name, (used, limit) in (host.descriptors if host else {}).items() if used >= limit]
    if host is None or not full:
        return None
    parts = " and ".join(f"{_PARTS[name]} had all {host.descriptors[name][1]} descriptors open" for name in full)
    return Caveat(about="descriptors", because=f"{parts} that `ulimit -n` allows: further connections fail at once")


def _backlog(facts: Facts) -> Caveat | None:
    host = facts.run.host
    if host is None or not host.listen_overflows:
        return None
    because = (
        f"{host.listen_overflows} connections found the backlog of a listening socket full (the proxy's is "
        "UVICORN_BACKLOG): each asked again after a second or more"
    )
    return Caveat(about="backlog", because=because)


def _failures(facts: Facts) -> Caveat | None:
    totals = facts.whole
    if not totals.failures:
        return None
    kinds = sorted(facts.run.errors.items(), key=lambda row: -row[1])[:3]
    words = ", ".join(f"{kind} {count}" for kind, count in kinds)
    because = f"{totals.failures} of {totals.requests} requests failed" + (f" ({words})" if words else "")
    return Caveat(about="failures", because=because, share=round(facts.failed_share, 4))
