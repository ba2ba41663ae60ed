from support.behaviour_table import DECISIONS
from support.behaviours import TABLE, checks, table


def test_the_committed_table_is_what_the_tests_yield() -> None:
    """Make it anew with `python -m support.behaviours` in tests/."""
    assert TABLE.read_text() == table()


def test_every_behaviour_is_held_by_a_test() -> None:
    """Each of the list, and nothing that is not on it."""
    assert {number for number, _ in checks()} == set(DECISIONS) == set(range(1, len(DECISIONS) + 1))
