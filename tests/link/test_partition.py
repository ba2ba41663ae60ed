"""How a partition is written, and when it holds."""

import math

import pytest

from link.stages import Partition, parse_partition


@pytest.mark.parametrize(
    ("text", "begin", "end"), [("5s-10s", 5, 10), ("0s-0.5s", 0, 0.5), ("1.25s-", 1.25, math.inf), ("0s-", 0, math.inf)]
)
def test_a_partition_is_read_and_written_the_same(text: str, begin: float, end: float) -> None:
    """A span of seconds, or from a second on for good."""
    found = parse_partition(text)
    assert found == Partition(begin, end)
    assert str(found) == text


def test_off_is_none() -> None:
    """Nothing is parted."""
    assert parse_partition("off") is None


@pytest.mark.parametrize("text", ["", "5", "5s", "-5s", "5-10", "5s-10", "5s - 10s", "5s-10s ", "5ms-6ms", "-5s-6s",
                                  "1e3s-", "on", "OFF", "\N{ARABIC-INDIC DIGIT FIVE}s-", "5s-\n"])  # fmt: skip
def test_what_is_not_a_span_is_said(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="not a span of seconds"):
        parse_partition(text)


@pytest.mark.parametrize("text", ["10s-5s", "5s-5s"])
def test_a_span_that_ends_before_it_begins_is_said(text: str) -> None:
    """Nor does one without a length do anything."""
    with pytest.raises(ValueError, match="ends before it has begun"):
        parse_partition(text)


def test_it_holds_from_its_beginning_up_to_its_end() -> None:
    """RelayDirection open, and one for good has no end."""
    short, long = Partition(5, 10), Partition(5)
    assert [short.is_active(second) for second in (0, 4.999, 5, 9.999, 10)] == [False, False, True, True, False]
    assert long.is_active(1e9)
