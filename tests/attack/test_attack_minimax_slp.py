"""Minimax SLP: exact where margins are linear, never worse than where it began."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import Tensor

from mlspec.attack.minimax_slp import MinimaxSlp


@given(seed=st.integers(0, 10_000), count=st.integers(1, 3))
def test_of_linear_margins_it_finds_the_least_maximum(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    slopes, offsets = rng.normal(size=(count, 12)), rng.normal(size=count) + 20.0
    low = rng.random(12)
    high = low + rng.random(12)
    # min t  s.t.  slopes @ x + offsets <= t
    best = linprog(
        np.eye(13)[12],
        A_ub=np.c_[slopes, -np.ones(count)],
        b_ub=-offsets,
        bounds=[*zip(low, high, strict=True), (None, None)],
    ).fun
    weights = torch.tensor(slopes)

    def margins(points: Tensor) -> Tensor:
        return points.flatten(1) @ weights.T + torch.tensor(offsets)

    box = torch.tensor(low).view(3, 2, 2), torch.tensor(high).view(3, 2, 2)
    starts = torch.stack(box)
    points = MinimaxSlp().descend(margins, starts, box, steps=60)
    reached = margins(points).amax(1).numpy()
    began = margins(starts).amax(1).numpy()
    # One or two margins are solved by bisection; the weights of three converge slowly.
    precision = 4e-2 if count == 3 else 1e-4
    np.testing.assert_allclose(reached, best, atol=precision * (began.max() - best) + 1e-9)


@given(seed=st.integers(0, 10_000))
def test_it_stays_in_the_box_and_never_climbs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, last = torch.tensor(rng.normal(size=(12, 20))), torch.tensor(rng.normal(size=(20, 2)))

    def margins(points: Tensor) -> Tensor:
        return torch.relu(points.flatten(1) @ first) @ last + 5.0

    low = torch.tensor(rng.random((3, 2, 2)))
    high = low + torch.tensor(rng.random((3, 2, 2)) * (rng.random((3, 2, 2)) < 0.7))
    starts = low + torch.tensor(rng.random((6, 3, 2, 2))) * (high - low)
    points = MinimaxSlp().descend(margins, starts, (low, high), steps=15)
    assert bool((points >= low).all())
    assert bool((points <= high).all())
    assert bool((margins(points).amax(1) <= margins(starts).amax(1)).all())


def test_it_ends_at_the_first_point_without_a_positive_margin() -> None:
    asked = []

    def margins(points: Tensor) -> Tensor:
        asked.append(len(points))
        return points.flatten(1).sum(1, keepdim=True)

    low, high = -torch.ones(1, 2, 2), torch.ones(1, 2, 2)
    MinimaxSlp().descend(margins, torch.zeros(3, 1, 2, 2), (low, high), steps=50)
    assert asked == [3]


@pytest.mark.parametrize("steps", [0, 1])
def test_without_steps_points_stay(steps: int) -> None:
    low, high = torch.zeros(1, 2, 2), torch.ones(1, 2, 2)
    starts = torch.full((2, 1, 2, 2), 0.5)
    slp = MinimaxSlp()
    points = slp.descend(lambda each: each.flatten(1) + 1.0, starts, (low, high), steps)
    assert torch.equal(points, starts) is (steps == 0)
