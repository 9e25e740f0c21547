"""Laws of the shrink policies: ``robust <= eps' <= eps``, and they arrive."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from closed_form import Floats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlspec.search.shrink import POLICIES, FixedShrink, SensitivityShrink, ShrinkFacts
from mlspec.spec.search import ShrinkPolicyName


@st.composite
def situations(draw: st.DrawFn) -> tuple[Floats, Floats, Floats, Floats | None]:
    count = draw(st.integers(1, 6))
    unit = arrays(np.float64, count, elements=st.floats(0.0, 1.0))
    robust, other, sensitivities, extents = (draw(unit) for _ in range(4))
    eps = np.maximum(robust, other)
    witness = np.minimum(extents, eps)
    return eps, robust, sensitivities, witness if np.any(witness > robust) else None


def test_policies_are_those_of_the_spec() -> None:
    assert set(POLICIES) == set(get_args(ShrinkPolicyName))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("prose", [False, True])
@given(situation=situations())
def test_shrinking_stays_between_robust_and_eps_and_arrives(
    name: str, prose: bool, situation: tuple[Floats, Floats, Floats, Floats | None]
) -> None:
    eps, robust, sensitivities, extents = situation
    policy = POLICIES[name].of(ShrinkFacts(np.arange(len(sensitivities)), sensitivities, prose))
    for _ in range(2000):
        shrunk = policy.shrink(eps, robust, extents)
        assert np.all(robust <= shrunk)
        assert np.all(shrunk <= eps)
        if np.array_equal(shrunk, robust) or np.all(shrunk - robust < 1e-9):
            break
        assert np.any(shrunk < eps)
        eps = shrunk
        extents = (
            None if extents is None or not np.any(extents > robust) else np.minimum(extents, eps)
        )
    else:
        pytest.fail("the policy never arrives at the robust end")


def test_fixed_sends_the_last_layer_back_at_once() -> None:
    shrunk = FixedShrink.of(ShrinkFacts(np.arange(4), np.ones(4))).shrink(
        np.full(4, 0.8), np.zeros(4), None
    )
    np.testing.assert_allclose(shrunk, 0.8 * np.array([3, 2, 1, 0]) / 4)


def test_fixed_goes_by_the_distance_of_a_radius_not_by_its_number() -> None:
    down_and_up = np.array([0, 0, 1, 1])
    shrunk = FixedShrink.of(ShrinkFacts(down_and_up, np.ones(4))).shrink(
        np.full(4, 0.8), np.zeros(4), None
    )
    np.testing.assert_allclose(shrunk, [0.4, 0.4, 0.0, 0.0])


def test_sensitivity_orders_layers_as_formula_or_prose_say() -> None:
    eps, robust = np.full(3, 0.5), np.zeros(3)
    by_formula, by_prose = (
        SensitivityShrink.of(ShrinkFacts(np.arange(3), np.array([3.0, 1.0, 2.0]), prose)).shrink(
            eps, robust, None
        )
        for prose in (False, True)
    )
    assert by_formula[0] < by_formula[2] < by_formula[1]
    assert by_prose[0] > by_prose[2] > by_prose[1]


def test_counterexample_blames_the_layers_that_left_the_robust_box() -> None:
    policy = POLICIES["counterexample"].of(ShrinkFacts(np.arange(3), np.ones(3)))
    shrunk = policy.shrink(np.full(3, 0.4), np.full(3, 0.2), np.array([0.3, 0.1, 0.2]))
    np.testing.assert_allclose(shrunk, [0.3, 0.4, 0.4])
