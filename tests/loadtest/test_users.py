"""The kinds of users as they are written, and each user's part of a load."""

import pytest

from lab.user_kind import ClosedLoad, OpenLoad, modelled_load
from loadtest.users.catalogue import known_kinds, parse_user_kinds, users_of_each
from support.servers import ROOT


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "a kind is missing"),
        ("closed;", "a kind is missing"),
        ("hope", "not a kind of user"),
        ("open", "not a kind of user"),
        ("open()", r"open\(rate, arrivals, in_flight\) lacks rate"),
        ("open(0/s)", "'0/s' is not a rate"),
        ("open(200)", "'200' is not a rate"),
        ("open(200/s, often)", "'often' is neither poisson nor constant"),
        ("open(200/s, in_flight=0)", "'0' is not a number from 1 to 10000"),
        ("closed(think=1)", "'1' is not a duration"),
        ("pace(1s, 2s)", "'2s' is one too many or unknown"),
        ("0 * closed", "not a kind of user"),
        ("closed; closed", "a kind is there twice"),
    ],
)
def test_what_is_no_kind_of_user(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_user_kinds(text)


def test_every_example_is_a_kind_and_in_the_docs() -> None:
    page = (ROOT / "docs" / "users.md").read_text()
    for name, kind in known_kinds().items():
        (found,) = parse_user_kinds(kind.example)
        assert type(found.kind) is kind
        assert f"`{name}" in page


@pytest.mark.parametrize(
    ("text", "users", "counts"),
    [
        ("closed", 7, [7]),
        ("3 * closed; open(1/s)", 8, [6, 2]),
        ("closed; pace(1s); open(1/s)", 8, [3, 3, 2]),
        ("9 * closed; open(1/s)", 4, [4, 1]),
    ],
)
def test_users_are_divided_by_weight(text: str, users: int, counts: list[int]) -> None:
    assert users_of_each(parse_user_kinds(text), users) == counts


def test_a_model_knows_one_kind_only() -> None:
    assert modelled_load("open( 20/s,  constant)") == OpenLoad(20.0, "constant")
    assert modelled_load("closed(think=500ms)") == ClosedLoad(0.5)
    assert modelled_load("closed; open(20/s)") is None
    assert modelled_load("pace(1s)") is None
