from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workflow.archive.windows import INTERVAL, Window, window_containing

NEW_YEAR = 1704067200  # 2024-01-01, a Monday
MOMENTS = st.integers(-(2**40), 2**40)


def test_a_window_is_seven_days() -> None:
    assert INTERVAL == 604800


def test_a_window_has_its_start_and_not_its_end() -> None:
    window = Window(NEW_YEAR, NEW_YEAR + INTERVAL)
    assert NEW_YEAR in window
    assert NEW_YEAR + INTERVAL - 1 in window
    assert NEW_YEAR + INTERVAL not in window
    assert NEW_YEAR - 1 not in window


def test_the_grid_goes_both_ways_from_its_anchor() -> None:
    assert window_containing(NEW_YEAR, NEW_YEAR) == Window(1704067200, 1704672000)
    assert window_containing(NEW_YEAR - 1, NEW_YEAR) == Window(1703462400, 1704067200)
    assert window_containing(1704931200, NEW_YEAR) == Window(1704672000, 1705276800)


@given(MOMENTS, MOMENTS, st.integers(1, 10 * INTERVAL))
def test_each_second_has_one_window_of_the_grid(time: int, anchor: int, interval: int) -> None:
    window = window_containing(time, anchor, interval)
    assert time in window
    assert window.end - window.start == interval
    assert (window.start - anchor) % interval == 0
