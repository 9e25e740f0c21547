"""How much is asked of the band between what bounds prove and what an attack breaks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlspec.search.climb import Band

BAND = Band()
FARTHEST = 0.025
VALUES = st.floats(1e-6, 1e3)
SHARES = st.floats(BAND.least_share, BAND.most_share)
ROUNDING = 1e-9


@given(VALUES, VALUES, SHARES, st.sampled_from([FARTHEST, 1.0]))
def test_targets_keep_a_distance_from_the_attacked_value(
    low: float, band: float, share: float, farthest: float
) -> None:
    high = low + band
    asked = BAND.asked(low, high, share, farthest)
    kept = (1.0 - asked) * (high - low)
    assert 0.0 < asked < 1.0
    assert kept >= min(BAND.nearest * high, BAND.narrow * band) * (1.0 - ROUNDING)


@given(VALUES, VALUES, SHARES)
def test_what_is_asked_first_is_near_what_is_broken(low: float, band: float, share: float) -> None:
    high = low + band
    kept = (1.0 - BAND.asked(low, high, share, FARTHEST)) * (high - low)
    assert kept <= FARTHEST * high * (1.0 + ROUNDING)


@given(VALUES, VALUES, SHARES)
def test_a_wide_band_is_asked_as_far_as_the_share_says(
    low: float, band: float, share: float
) -> None:
    high = low + band
    if (1.0 - share) * band >= BAND.nearest * high:
        assert BAND.asked(low, high, share, 1.0) == share


@given(VALUES, SHARES)
def test_without_a_band_the_share_stays(value: float, share: float) -> None:
    assert BAND.asked(value, value, share, FARTHEST) == share
