"""The sandbox's options on Locust's start form."""

from argparse import Action, ArgumentParser, Namespace
from typing import Any, cast

import pytest

from loadtest.options import add_options, correct, derived, form_mistakes


class Parser(ArgumentParser):
    """Takes the keywords that Locust's parser has on top."""

    def add_argument(self, *names: str, env_var: str = "", include_in_web_ui: bool = True, **keywords: Any) -> Action:
        """Pass on what argparse knows."""
        return super().add_argument(*names, **keywords)


def test_no_option_has_a_digit_in_its_name() -> None:
    """Locust's form posts `slo_p99` as `slo_p9_9`, which the server ignores: the default would silently stay."""
    parser = Parser(add_help=False)
    add_options(cast("Any", parser))
    names = [action.dest for action in parser._actions]
    assert names == ["run_label", "request_path", "pattern", "user_kind", "shape", "objective", "run_id"]
    assert not [name for name in names if any(character.isdigit() for character in name)]


def test_all_users_at_once_is_no_setting_of_its_own() -> None:
    assert derived({"LOCUST_USERS": 20, "LOCUST_SPAWN_RATE": 20.0}) == ["LOCUST_SPAWN_RATE"]
    assert derived({"LOCUST_USERS": 20, "LOCUST_SPAWN_RATE": 5.0}) == []


def test_the_form_and_help_show_the_same_words() -> None:
    """The form shows an option's text as it is; --help takes a percent sign in it for a format."""
    parser = Parser(add_help=False)
    add_options(cast("Any", parser))
    assert not [action.dest for action in parser._actions if "%" in (action.help or "")]


@pytest.mark.parametrize(
    "form",
    [
        {"run_label": "x" * 61},
        {"run_label": "two\nlines"},
        {"request_path": "work"},
        {"request_path": "/a b"},
        {"host": "127.0.0.1:8000"},
        {"pattern": "hope"},
        {"objective": "p99 < 1"},
        {"user_kind": "open"},
        {"shape": "ramp"},
        {"shape": "step(1, every=5s)"},
        {"user_kind": "closed(think=1)"},
        {"user_kind": "closed; closed"},
        {"run_time": "0"},
        {"run_time": "never"},
        {"user_count": "0"},
        {"user_count": "10001"},
        {"user_count": "1.5"},
    ],
)
def test_a_form_that_cannot_be_run_with_is_refused(form: dict[str, str]) -> None:
    """One line with the field, its value and what is allowed."""
    (line,) = form_mistakes(form).values()
    assert "is not allowed; allowed: " in line
    assert repr(next(iter(form.values()))) in line


def test_an_ordinary_form_is_accepted() -> None:
    """An empty run time means: until stopped."""
    assert form_mistakes({"user_count": "20", "run_time": "", "host": "http://proxy:8000", "run_label": "<b>ten"}) == {}


def test_options_from_elsewhere_are_put_right() -> None:
    """Not every start comes through the form: what cannot be run with is replaced, and logged."""
    options = Namespace(run_label="  ten ", request_path="work")
    (line,) = correct(options)
    assert "'work'" in line
    assert options == Namespace(
        run_label="ten", request_path="/work", pattern="forward", user_kind="closed", shape="", objective=""
    )
