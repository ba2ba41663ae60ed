"""Lessons: what they may assert, how their files are read, and that those in lessons/ are sound."""

from pathlib import Path

import pytest

from lab.account.places import Place
from lab.lessons.assertion import Assertion
from lab.lessons.lesson import Lesson
from lab.lessons.lesson_file import NamedLesson, read_lesson, read_lessons
from lab.lessons.outcome import outcome_of
from lab.run_document import Totals
from service_kit.exits import UsageError
from service_kit.variables import variables
from support.documents import account, pool, run_document
from support.lesson_files import FASTER, SCHEMA, schema_text
from support.servers import ROOT
from support.settings_table import PARTS

LESSONS = read_lessons(ROOT / "lessons")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("B.totals.rps / A.totals.rps > 1.8", True),
        ("1.9 < B.totals.rps / A.totals.rps < 2.1", True),
        ("B.totals.rps - A.totals.rps <= -A.totals.rps", False),
        ("A.errors['503 pool_exhausted'] == 7", True),
        ("A.errors['502 upstream_reset'] == 0", True),
        ("sum(A.errors) == 9", True),
        ("max(A.pool.lost, B.pool.leaked) == 0", True),
        ("A.verdict.bottleneck == 'pool'", True),
        ("A.verdict.bottleneck != 'pool'", False),
        ("A.attribution.places.pool_wait.share == 0", True),
        ("A.totals.succeeded_rps == A.totals.rps", True),
        ("A.first_byte_ms.p50 < 10", False),
        ("A.totals.rps / A.totals.failures > 1", False),
    ],
)
def test_an_assertion_compares_figures(text: str, holds: bool) -> None:
    errors = {"503 pool_exhausted": 7, "504 total_timeout": 2}
    runs = {
        "A": run_document(
            errors=errors,
            totals=Totals(requests=100, failures=0, rps=10.0),
            attribution=account({Place.UPSTREAM_WORK: 100.0}),
        ),
        "B": run_document(totals=Totals(requests=200, failures=0, rps=20.0)),
    }
    assert Assertion(text).check(runs).holds is holds


def test_what_was_not_measured_is_named() -> None:
    checked = Assertion("A.first_byte_ms.p50 < 10").check({"A": run_document()})
    assert (checked.holds, checked.because) == (False, "A.first_byte_ms.p50 was not measured")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A.totals.rsp > 1", "totals has no 'rsp'; it has requests, failures, rps, retries, succeeded_rps"),
        ("A.rps > 1", "a run document has no 'rps'"),
        ("A.totals > 1", "A.totals is not one figure"),
        ("A.totals.rps.mean > 1", "totals.rps has no fields"),
        ("A.attribution.places.pool.share > 1", "has no 'pool'; it has admission"),
        ("A.verdict.bottleneck == 'pol'", "'pol': not a value of it; allowed: admission"),
        ("totals.rps > 1", "'totals': a figure begins with its side"),
        ("A.totals.rps", "is not one comparison"),
        ("A.totals.rps >", "is not one comparison"),
        ("A.totals.rps in (1, 2)", "a comparison that is not allowed"),
        ("__import__('os').system('true') == 0", "not allowed"),
        ("A.model_copy() == 1", "not allowed"),
        ("A.__class__.x == 1", "has no '__class__'"),
        ("A.totals.rps ** 9 > 1", "not allowed"),
        ("[x for x in A.errors] == 1", "not allowed"),
        ("sum(A.totals) > 1", "only counts by name"),
        ("max(A.totals.rps) > 1", "not allowed"),
        ("A.totals.rps > " + "1 + " * 100 + "1", "longer than 300"),
    ],
)
def test_other_texts_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as refused:
        Assertion(text)
    assert words in str(refused.value)


def read(tmp_path: Path, text: str) -> Lesson:
    path = tmp_path / "faster.yaml"
    path.write_text(text)
    return read_lesson(path)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("title: More", "titel: More", "faster.yaml:1: titel: Extra inputs are not permitted"),
        ("users: 4", "users: many", "faster.yaml:6: load.users: Input should be a valid integer"),
        ("B.totals.rps", "B.totals.rsp", "faster.yaml:11: assert.0: totals has no 'rsp'"),
        ("PROXY_MAX_CONNECTIONS: 10", "MAX: 10", "faster.yaml:9: sides.B.settings.MAX: String should match"),
        ("subject: pool", "subject: pools", "faster.yaml:2: subject: Input should be 'pool'"),
        ("question: Why?", "title: Why?", "faster.yaml:3: title: given twice"),
        ("B.totals.rps", "C.totals.rps", "faster.yaml:1: assert: there is no side C"),
        ("B.totals.rps /", "A.totals.rps /", "faster.yaml:1: sides: nothing is asserted of B"),
        ("sources: [seeds]", "sources: [seeds", "faster.yaml:6: not YAML: expected ',' or ']'"),
    ],
)
def test_a_mistake_has_its_file_and_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(tmp_path, FASTER.replace(old, new))
    assert any(each.startswith(line) for each in refused.value.lines), refused.value.lines


def test_values_are_texts_as_the_parts_read_them(tmp_path: Path) -> None:
    """YAML 1.1 would make `on` a truth value."""
    found = read(tmp_path, FASTER.replace("PROXY_MAX_CONNECTIONS: 10", "UPSTREAM_TLS: on, NET_RTT_MS: 0.50"))
    assert found.sides["B"].settings == {"UPSTREAM_TLS": "on", "NET_RTT_MS": "0.50"}


def test_mutated_all_sides_have_the_settings_of_a(tmp_path: Path) -> None:
    found = read(tmp_path, FASTER)
    assert found.assignments("B")["PROXY_MAX_CONNECTIONS"] == "10"
    assert found.assignments("B", mutated=True) == found.assignments("A")


@pytest.mark.parametrize(
    ("mutated", "rps", "right"), [(False, 20.0, True), (False, 11.0, False), (True, 11.0, True), (True, 20.0, False)]
)
def test_a_lesson_is_right_if_it_fails_without_its_cause(
    tmp_path: Path, mutated: bool, rps: float, right: bool
) -> None:
    (tmp_path / "faster.yaml").write_text(FASTER)
    (named,) = read_lessons(tmp_path)
    a, b = (run_document(totals=Totals(requests=100, failures=0, rps=each), pool=pool()) for each in (10.0, rps))
    assert outcome_of(named, {"A": a, "B": b}, 1.0, mutated=mutated).as_it_should is right


def test_the_schema_for_editors_is_the_models() -> None:
    assert SCHEMA.read_text() == schema_text(), "run tests/support/lesson_files.py"


@pytest.mark.parametrize("named", LESSONS, ids=lambda named: named.name)
def test_a_lesson_sets_variables_that_there_are_and_takes_less_than_a_minute(
    named: NamedLesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {each.name for parts in PARTS.values() for part in parts for each in variables(part)}
    lesson: Lesson = named.lesson
    used = {name for side in lesson.sides for name in lesson.assignments(side)}
    assert used - known == set()
    assert lesson.seconds <= 60
    for side in lesson.sides:
        with monkeypatch.context() as patch:
            for name, value in lesson.assignments(side).items():
                patch.setenv(name, value)
            assert [part() for parts in PARTS.values() for part in parts]
    settings = [lesson.assignments(side) for side in lesson.sides]
    assert all(each != settings[0] for each in settings[1:])
