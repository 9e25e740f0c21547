"""Bisection: the threshold stays inside, and every way to stop is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.core.bisection import Bisection

WAYS = {
    "steps": Bisection(steps=12),
    "relative": Bisection(relative=0.05, absolute=1e-12),
    "absolute": Bisection(absolute=1e-4),
    "remaining": Bisection(remaining=0.1),
    "geometric": Bisection(relative=0.02, geometric=True),
    "geometric from 0": Bisection(relative=0.05, absolute=1e-9, geometric=True, spread=16.0),
}


@pytest.mark.parametrize("name", WAYS)
@given(threshold=st.floats(1e-5, 1.0))
def test_the_threshold_stays_between_the_ends(name: str, threshold: float) -> None:
    way = WAYS[name]
    first = 1e-6 if name == "geometric" else 0.0
    asked: list[float] = []

    def holds(value: float) -> bool:
        asked.append(value)
        return value < threshold

    low, high = way.narrow(holds, first, 1.0)
    assert first <= low < threshold <= high <= 1.0
    assert first not in asked
    assert 1.0 not in asked
    if name == "steps":
        assert high - low == pytest.approx(0.5**12)
    else:
        enough = max(way.relative * low, way.absolute, way.remaining * (1.0 - first))
        assert high - low <= enough
        # It does not go on for longer than that takes.
        before = [value for value in asked[:-1] if value < threshold]
        above = [value for value in asked[:-1] if value >= threshold]
        last_low, last_high = max(before, default=first), min(above, default=1.0)
        assert last_high - last_low > max(way.relative * last_low, way.absolute)


def test_an_interval_that_is_narrow_enough_is_left_alone() -> None:
    def holds(value: float) -> bool:
        pytest.fail("nothing to ask")

    assert Bisection(absolute=0.1).narrow(holds, 0.5, 0.55) == (0.5, 0.55)
    assert Bisection(remaining=0.1).narrow(holds, 0.7, 0.5) == (0.7, 0.5)


def test_small_values_are_found_as_exactly_as_large_ones() -> None:
    way = Bisection(relative=0.02, geometric=True)
    for threshold in (1e-5, 1e-3, 0.9):
        low, high = way.narrow(lambda value, at=threshold: value < at, 1e-6, 1.0)
        assert high <= 1.02 * low


@given(st.integers(0, 10_000), st.booleans())
def test_intervals_side_by_side_are_those_one_by_one(seed: int, geometric: bool) -> None:
    rng = np.random.default_rng(seed)
    way = Bisection(steps=9, geometric=geometric)
    thresholds = rng.uniform(0.1, 1.0, 5)
    low, high = way.narrow_each(lambda at: at < thresholds, np.full(5, 0.01), np.ones(5))
    for number, threshold in enumerate(thresholds.tolist()):
        alone = way.narrow(lambda value, at=threshold: value < at, 0.01, 1.0)
        assert (low[number], high[number]) == alone


def test_a_bisection_that_would_never_end_is_refused() -> None:
    with pytest.raises(ValueError, match="never ends"):
        Bisection()
