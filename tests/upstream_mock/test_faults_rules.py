"""Rules: how they are written, what mistakes are called, and which requests they affect. No socket here."""

from pathlib import Path
from random import Random

import pytest

from upstream_mock import faults
from upstream_mock.faults.runtime.parse import MOST_RULES, parse_fault, parse_rules
from upstream_mock.faults.runtime.registry import discover, spelled
from upstream_mock.faults.runtime.rule import ActiveRule, Rule, decide, in_reach


def rule(text: str) -> Rule:
    """The one rule of a text."""
    (only,) = parse_rules(text)
    return only


def active_rule(text: str, seed: str = "1") -> ActiveRule:
    """A rule in force."""
    return ActiveRule(rule(text), lambda: Random(seed))


def affected(text: str, count: int, *, elapsed: float = 0.0, path: str = "/work", draw: float = 0.0) -> list[int]:
    """Which of `count` requests a rule affects."""
    only = rule(text)
    return [number for number in range(1, count + 1) if decide(only, number, elapsed, path, draw)]


def test_every_fault_has_its_class_name_and_a_docstring() -> None:
    found = discover()
    assert "STATUS_400 to STATUS_599" in spelled(found)
    for name, fault in found.items():
        assert fault.__doc__
        assert fault.__doc__.strip()
        assert fault.__name__.upper() == name.replace("_", "")


NEW_FAULTS = """
from upstream_mock.faults.runtime.fault import Fault, RawAnswer
from upstream_mock.faults.runtime.faulted_request import FaultedRequest

class Teapot(RawAnswer):
    answer = b"HTTP/1.1 418 I'm a teapot\\r\\ncontent-length: 0\\r\\n\\r\\n"

class Answer42Twice(Fault):
    async def apply(self, request: FaultedRequest) -> None:
        await request.answer()
"""


def test_new_faults_are_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put into the folder, each of its classes is a fault by its own name."""
    (tmp_path / "kitchen.py").write_text(NEW_FAULTS)
    monkeypatch.setattr(faults, "__path__", [*faults.__path__, str(tmp_path)])
    discover.cache_clear()
    try:
        assert set(discover()) >= {"TEAPOT", "ANSWER_42_TWICE", "BAD_HEADER"}
        assert parse_rules("TEAPOT rate=0.5; ANSWER_42_TWICE")[1].name == "ANSWER_42_TWICE"
    finally:
        discover.cache_clear()


def test_a_rule_has_all_its_words() -> None:
    """Everything reaches its field; what is not given has its default."""
    full = rule("STALL_IN_BODY rate=0.1 from=5s to=10s path=/work first=30 every=10 after=1000 delay=250ms")
    assert full.name == "STALL_IN_BODY"
    assert (full.rate, full.start, full.end, full.path, full.first, full.every) == (0.1, 5, 10, "/work", 30, 10)
    assert vars(full.fault) == {"delay": 0.25, "after": 1000}
    assert [each.rate for each in parse_rules("EMPTY_RESPONSE; STATUS_503 rate=1;", default_rate=0.25)] == [0.25, 1]
    assert vars(rule("STOP_ACCEPTING for=3s backlog=1").fault) == {"for_": 3.0, "backlog": 1}
    assert vars(rule("STATUS_503").fault) == {"number": 503}
    assert parse_rules("") == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("EMTPY_RESPONSE", "no such fault; did you mean EMPTY_RESPONSE?"),
        ("empty_response", "no such fault; did you mean EMPTY_RESPONSE?"),
        ("STATUS_600", "no such fault; did you mean STATUS_400 to STATUS_599?"),
        ("STATUS", "no such fault; did you mean STATUS_400 to STATUS_599?"),
        ("XYZZY", "no such fault"),
        ("STATUS_503; XYZZY", "rule 2: no such fault"),
        (
            "EMPTY_RESPONSE rato=1",
            "'rato=1' is no parameter of EMPTY_RESPONSE, which takes rate, from, to, path, first, every",
        ),
        (
            "LIMIT_DATA 10",
            "'10' is no parameter of LIMIT_DATA, which takes after, rate, from, to, path, first, every",
        ),
        ("EMPTY_RESPONSE rate=1.5", "rate: '1.5' is not a number from 0 to 1"),
        ("EMPTY_RESPONSE rate=nan", "rate: 'nan' is not a number from 0 to 1"),
        ("EMPTY_RESPONSE rate=", "rate: '' is not a number from 0 to 1"),
        ("EMPTY_RESPONSE rate=1 rate=1", "rate comes twice"),
        ("EMPTY_RESPONSE from=5", "from: '5' is not a duration (a number and us, ms or s)"),
        ("EMPTY_RESPONSE from=5s to=5s", "from must lie before to"),
        ("EMPTY_RESPONSE path=work", "path: 'work' does not begin with /"),
        ("EMPTY_RESPONSE first=0", "first: '0' is not a whole number from 1 to 1000000000"),
        ("EMPTY_RESPONSE every=-1", "every: '-1' is not a whole number from 1 to 1000000000"),
        ("EMPTY_RESPONSE first=3 every=10", "first=3 with every=10 never applies"),
        ("LIMIT_DATA after=1e9", "after: '1e9' is not a whole number from 0 to 10000000"),
        ("STALL_IN_BODY delay=2h", "delay: '2h' is not a duration (a number and us, ms or s)"),
        ("STALL_IN_BODY delay=3601s", "delay: '3601s' is longer than 3600s"),
        (";".join(["EMPTY_RESPONSE"] * (MOST_RULES + 1)), "more than 32 rules"),
        ("E" * 5000, "longer than 4096 characters"),
    ],
)
def test_a_mistake_is_one_line(text: str, line: str) -> None:
    """What is wrong, and with which rule."""
    with pytest.raises(ValueError, match=r"^") as caught:
        parse_rules(text)
    assert str(caught.value) == line


def test_one_request_asks_for_a_fault_and_not_for_a_rule() -> None:
    """A rate of one request means nothing."""
    assert vars(parse_fault("LIMIT_DATA after=10")[1]) == {"after": 10}
    with pytest.raises(ValueError, match="'rate=1' is no parameter of EMPTY_RESPONSE, which takes nothing"):
        parse_fault("EMPTY_RESPONSE rate=1")
    with pytest.raises(ValueError, match="no such fault"):
        parse_fault(" ")


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("/", ["/", "/work"], []),
        ("/status", ["/status", "/status/", "/status/1"], ["/statuses", "/", "/a/status"]),
        ("/status/", ["/status", "/status/1"], ["/statuses"]),
        ("/*/1", ["/a/1", "/a/b/1"], ["/a/2", "/a/1/b"]),
        ("/status/5??", ["/status/503"], ["/status/404", "/status/5030"]),
    ],
)
def test_a_path_is_a_prefix_or_a_glob(pattern: str, inside: list[str], outside: list[str]) -> None:
    """A prefix ends where a segment does; a glob is over the whole path."""
    only = rule(f"EMPTY_RESPONSE path={pattern}")
    assert [path for path in inside + outside if in_reach(only, 0.0, path)] == inside


def test_when_a_rule_applies() -> None:
    """A window is half open; first and every count what is in reach; everything must hold at once."""
    window = rule("EMPTY_RESPONSE from=5s to=10s")
    assert [at for at in (0.0, 4.999, 5.0, 9.999, 10.0) if decide(window, 1, at, "/", 0.0)] == [5.0, 9.999]
    assert affected("EMPTY_RESPONSE first=3", 10) == [1, 2, 3]
    assert affected("EMPTY_RESPONSE every=4", 10) == [4, 8]
    assert affected("EMPTY_RESPONSE first=9 every=4", 20) == [4, 8]
    assert affected("EMPTY_RESPONSE rate=0.5", 2, draw=0.49) == [1, 2]
    assert affected("EMPTY_RESPONSE rate=0.5", 2, draw=0.5) == []
    assert affected("EMPTY_RESPONSE rate=0", 2) == []
    assert affected("EMPTY_RESPONSE first=2 path=/other", 5) == []


def test_a_rate_is_a_share_and_the_seeds() -> None:
    """A tenth of 10,000 by the seed's numbers, the same again after a restart, others with another seed."""
    one, other = active_rule("EMPTY_RESPONSE rate=0.1"), active_rule("EMPTY_RESPONSE rate=0.1", seed="2")
    first = [one.selects(0.0, "/work") for _ in range(10_000)]
    assert 900 < sum(first) < 1100
    one.restart()
    assert [one.selects(0.0, "/work") for _ in range(10_000)] == first
    assert [other.selects(0.0, "/work") for _ in range(10_000)] != first


def test_what_is_out_of_reach_is_neither_counted_nor_drawn_for() -> None:
    """Another path's or another time's requests do not shift which requests are affected."""
    plain, mixed = active_rule("EMPTY_RESPONSE rate=0.3 path=/work"), active_rule("EMPTY_RESPONSE rate=0.3 path=/work")
    expected = [plain.selects(0.0, "/work") for _ in range(200)]
    found = []
    for _ in range(200):
        assert not mixed.selects(0.0, "/other")
        found.append(mixed.selects(0.0, "/work"))
    assert found == expected
    assert mixed.seen == 200
