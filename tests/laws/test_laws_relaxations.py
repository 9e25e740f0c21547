"""Laws of single relaxations: lines and planes hold at every point, whatever their parameters."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis.strategies import SearchStrategy
from law import law
from numpy.typing import NDArray
from random_ops import Rng, one_of
from strategies import seeded

from mlspec.core.network import Array
from mlspec.ops.clip import Clip
from mlspec.ops.elementwise import ElementwiseOperation, Line
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.pool_planes import first_levels, first_weights, planes
from mlspec.ops.relu import Relu

Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def intervals(size: int) -> SearchStrategy[tuple[Array, Array, Array, Rng]]:
    """Lower ends, upper ends and points ``(..., size)``: some without width, some at zero."""

    def make(rng: Rng) -> tuple[Array, Array, Array, Rng]:
        shape = (50, size)
        centre = rng.normal(size=shape) * one_of(rng, (1.0, 1e-6, 1e3))
        width = np.abs(rng.normal(size=shape)) * rng.choice([0.0, 1e-12, 1e-3, 1.0, 5.0], shape)
        low, up = centre - width, centre + width
        snap = rng.random(shape)
        low, up = np.where(snap < 0.1, 0.0, low), np.where(snap < 0.1, np.abs(up), up)
        low, up = np.where(snap > 0.9, -np.abs(low), low), np.where(snap > 0.9, 0.0, up)
        share = rng.choice([0.0, 1.0, 0.5, 0.3], (200, *shape))
        inside = (low + share * (up - low)).clip(low, up)
        return low, up, inside, rng

    return seeded(make)


def free(rng: Rng, shape: tuple[int, ...]) -> torch.Tensor:
    """Return free parameters, valid and absurd ones."""
    values = rng.normal(size=shape) * rng.choice([0.0, 1.0, 100.0], shape)
    return torch.as_tensor(values)


def tolerance(*values: NDArray[np.float64]) -> float:
    return 1e-12 * (1.0 + max(float(np.abs(value).max()) for value in values))


ELEMENTWISE: tuple[ElementwiseOperation, ...] = (
    Relu(),
    LeakyRelu(0.01),
    LeakyRelu(0.5),
    Clip(0.0, 6.0),
    Clip(-0.25, 0.5),
    Clip(high=0.0),
    Clip(low=-1e-3),
    Clip(-1e-6, 1e-6),
)


def at(line: Line, inside: Array) -> Array:
    """Return the values of a line at points ``inside``."""
    bias = 0.0 if line.bias is None else line.bias.numpy()
    return np.asarray(line.slope.numpy() * inside + bias)


@law(intervals(1), quick=100, deep=3000)
def test_lines_hold_at_every_point_for_any_slopes(
    case: tuple[Array, Array, Array, Rng],
) -> None:
    low, up, inside, rng = case
    lower, upper = torch.as_tensor(low), torch.as_tensor(up)
    for op in ELEMENTWISE:
        true, good = op.forward(inside), op.first_slopes(lower, upper)
        wild = tuple(free(rng, low.shape) for _ in good)
        for slopes in (good, wild):
            lines = op.sides(lower, upper).lines(slopes)
            slack = tolerance(low, up)
            assert (at(lines.below, inside) <= true + slack).all(), op
            assert (true <= at(lines.above, inside) + slack).all(), op
        op.sides(lower, upper).project(wild)
        projected = op.sides(lower, upper).lines(wild)
        for ours, theirs in ((projected.below, lines.below), (projected.above, lines.above)):
            np.testing.assert_array_equal(ours.slope, theirs.slope)


def ends_of(found: Planes, inside: Array) -> tuple[Array, Array]:
    """Return the values of both planes at points ``(..., n)`` of their windows."""
    low, up, up_bias = (part.numpy() for part in found)
    return (low * inside).sum(-1), (up * inside).sum(-1) + up_bias


def assert_pool_planes_hold(case: tuple[Array, Array, Array, Rng]) -> None:
    low, up, inside, rng = case
    lower, upper = torch.as_tensor(low), torch.as_tensor(up)
    for relu in (False, True):
        true = inside.max(-1).clip(0.0) if relu else inside.max(-1)
        good = first_weights(lower, upper, relu), first_levels(upper)
        wild = free(rng, low.shape), free(rng, low.shape[:-1])
        tiny = torch.full_like(good[0], 1e-14)
        for weights, levels in (
            good,
            wild,
            (good[0], wild[1]),
            (wild[0], good[1]),
            (tiny, good[1]),
        ):
            found = planes(lower, upper, relu, weights, levels)
            slack = tolerance(low, up) * 10
            least, most = ends_of(found, inside)
            assert (least <= true + slack).all()
            assert (true <= most + slack).all()


@law(intervals(1), quick=30, deep=1000)
def test_pool_planes_of_one_candidate_hold_for_any_parameters(
    case: tuple[Array, Array, Array, Rng],
) -> None:
    assert_pool_planes_hold(case)


@law(intervals(2), quick=60, deep=2000)
def test_pool_planes_of_two_candidates_hold_for_any_parameters(
    case: tuple[Array, Array, Array, Rng],
) -> None:
    assert_pool_planes_hold(case)


@law(intervals(9), quick=60, deep=2000)
def test_pool_planes_of_nine_candidates_hold_for_any_parameters(
    case: tuple[Array, Array, Array, Rng],
) -> None:
    assert_pool_planes_hold(case)


@law(intervals(4), quick=60, deep=2000)
def test_where_no_sign_and_no_winner_is_open_relaxations_are_exact(
    case: tuple[Array, Array, Array, Rng],
) -> None:
    """There CROWN leaves the inputs of an op as they are."""
    low, up, inside, rng = case
    lower, upper = torch.as_tensor(low), torch.as_tensor(up)
    maps = lower.reshape(-1, 1, 2, 2), upper.reshape(-1, 1, 2, 2)
    slack = tolerance(low, up) * 10
    for relu in (False, True):
        closed = ~MaxPool((2, 2), (2, 2), relu=relu).open_positions(*maps).any(1).numpy()
        true = inside.max(-1).clip(0.0) if relu else inside.max(-1)
        weights = first_weights(lower, upper, relu)
        found = planes(lower, upper, relu, weights, first_levels(upper))
        least, most = ends_of(found, inside)
        assert np.abs(least - true)[:, closed].max(initial=0.0) <= slack
        assert np.abs(most - true)[:, closed].max(initial=0.0) <= slack
    for op in ELEMENTWISE:
        closed = ~op.open_positions(*maps).numpy()
        slopes = tuple(free(rng, low.shape) for _ in op.first_slopes(lower, upper))
        lines = op.sides(lower, upper).lines(slopes)
        for line in (lines.below, lines.above):
            error = np.abs(at(line, inside) - op.forward(inside))
            assert error[:, closed].max(initial=0.0) <= slack, op
