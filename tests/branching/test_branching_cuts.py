"""Cuts: they are the convex hull, and hold in exact arithmetic."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st
from law import law
from scipy import optimize

from mlspec.backends.program import LinearProgram, Piece
from mlspec.branching.hull import Hull, HullCut, HullCuts, hulls_of
from mlspec.core.network import Array

Rng = np.random.Generator
HULL = HullCuts()


def cut_of(hull: Hull, x: Array) -> HullCut | None:
    return hull.cut(x, HULL.least_violation, HULL.smallest_coefficient)


@st.composite
def windows(draw: st.DrawFn) -> tuple[Piece, Array, Array, Rng]:
    """A piece over a box; its output is variable 0, then come its inputs and its wins."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, candidates = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    rest = draw(st.sampled_from([None, 0.0, 0.3])) if candidates > 1 else 0.0
    places = np.arange(1, 1 + inputs + candidates)
    weights = rng.normal(size=(candidates, inputs)) * 10.0 ** draw(st.integers(-4, 1))
    weights[rng.random(weights.shape) < 0.2] = 0.0
    constants = rng.normal(size=candidates)
    lower = rng.uniform(-1.0, 1.0, inputs)
    upper = lower + rng.choice([0.0, 1e-9, 0.1, 2.0], inputs)
    ends = np.full(1, 50.0), np.ones(candidates)
    return (
        Piece(0, places[:inputs], weights, constants, places[inputs:], rest),
        np.concatenate([-ends[0], lower, np.zeros(candidates)]),
        np.concatenate([ends[0], upper, ends[1]]),
        rng,
    )


def loose_points(piece: Piece, lower: Array, upper: Array, rng: Rng) -> Array:
    """Return relaxed points ``(20, n)`` whose outputs are too high."""
    points = rng.uniform(lower, upper, (20, len(lower)))
    shares = rng.dirichlet(np.ones(len(piece.wins) + (piece.rest is not None)), 20)
    points[:, piece.wins] = shares[:, : len(piece.wins)]
    return points


@law(windows(), quick=60, deep=2000)
def test_a_cut_cuts_off_its_point_and_no_true_one(case: tuple[Piece, Array, Array, Rng]) -> None:
    piece, lower, upper, rng = case
    hull = Hull(piece, lower, upper)
    corners = np.where(rng.random((200, len(lower))) < 0.5, lower, upper)
    true = np.vstack([corners, rng.uniform(lower, upper, (200, len(lower)))])
    for point in true:
        values = piece.weights @ point[piece.inputs] + piece.constants
        point[piece.wins] = 0.0
        if piece.rest is not None and values.max() <= piece.rest:
            point[piece.output] = piece.rest
        else:
            point[piece.output] = values.max()
            point[piece.wins[values.argmax()]] = 1.0
    for loose in loose_points(piece, lower, upper, rng):
        cut = cut_of(hull, loose)
        if cut is not None:
            assert cut.values @ loose[cut.columns] > cut.limit
            assert (true[:, cut.columns] @ cut.values <= cut.limit + 1e-12).all()


@law(windows(), quick=40, deep=500)
def test_cuts_are_the_convex_hull(case: tuple[Piece, Array, Array, Rng]) -> None:
    """A point is cut off exactly if its output exceeds what shares of the candidates reach."""
    piece, lower, upper, rng = case
    hull = Hull(piece, lower, upper)
    weights, constants = piece.weights, piece.constants
    if piece.rest is not None:
        weights = np.vstack([weights, 0.0 * weights[:1]])
        constants = np.append(constants, piece.rest)
    for point in loose_points(piece, lower, upper, rng)[:5]:
        wins = point[piece.wins]
        if piece.rest is not None:
            wins = np.append(wins, 1.0 - wins.sum())
        low, high = (np.outer(wins, ends[piece.inputs]).ravel() for ends in (lower, upper))
        reached = optimize.linprog(
            -weights.ravel(),
            A_eq=np.tile(np.eye(len(piece.inputs)), len(wins)),
            b_eq=point[piece.inputs],
            bounds=np.column_stack([low, np.maximum(low, high)]),
        )
        assert reached.success
        most = constants @ wins - reached.fun
        slack = 20.0 * HULL.least_violation * np.sqrt(1.0 + (weights**2).sum())
        for distance in (-slack, slack):
            point[piece.output] = most + distance
            assert (cut_of(hull, point) is not None) == (distance > 0.0)


@st.composite
def badly_scaled(draw: st.DrawFn) -> tuple[Piece, Array, Array, Rng]:
    """As ``windows``, but sizes of weights, constants and ends lie far apart, and candidates differ
    by little."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, candidates = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    rest = draw(st.sampled_from([None, 0.0, 1e-3, 300.0])) if candidates > 1 else 0.0
    places = np.arange(1, 1 + inputs + candidates)

    def spread(*shape: int) -> Array:
        return rng.normal(size=shape) * 10.0 ** rng.uniform(-9.0, 4.0, shape)

    weights = spread(candidates, inputs)
    near = rng.random(candidates) < 0.5
    weights[near] = weights[0] * (1.0 + 1e-13 * rng.normal(size=(int(near.sum()), inputs)))
    lower = spread(inputs)
    upper = lower + np.abs(spread(inputs))
    largest = np.abs(weights) @ np.maximum(np.abs(lower), np.abs(upper))
    constants = np.where(rng.random(candidates) < 0.5, -weights @ lower, spread(candidates))
    most = float((largest + np.abs(constants)).max()) + (rest or 0.0)
    ends = np.full(1, 2.0 * most), np.ones(candidates)
    return (
        Piece(0, places[:inputs], weights, constants, places[inputs:], rest),
        np.concatenate([-ends[0], lower, np.zeros(candidates)]),
        np.concatenate([ends[0], upper, ends[1]]),
        rng,
    )


def exact_excess(cut: HullCut, piece: Piece, lower: Array, upper: Array) -> Fraction:
    """Return by how much a point of the piece violates the cut at most, in exact arithmetic."""
    coefficients = dict(zip(cut.columns.tolist(), map(Fraction, cut.values.tolist()), strict=True))
    of_output = coefficients.get(piece.output, Fraction(0))
    worst = []
    for number, win in enumerate(piece.wins.tolist()):
        total = of_output * Fraction(piece.constants[number]) + coefficients.get(win, Fraction(0))
        for place, column in enumerate(piece.inputs.tolist()):
            slope = of_output * Fraction(piece.weights[number, place])
            slope += coefficients.get(column, Fraction(0))
            total += max(slope * Fraction(lower[column]), slope * Fraction(upper[column]))
        worst.append(total)
    if piece.rest is not None:
        total = of_output * Fraction(piece.rest)
        for column in piece.inputs.tolist():
            slope = coefficients.get(column, Fraction(0))
            total += max(slope * Fraction(lower[column]), slope * Fraction(upper[column]))
        worst.append(total)
    return max(worst) - Fraction(cut.limit)


@law(st.one_of(windows(), badly_scaled()), quick=150, deep=5000)
def test_a_cut_holds_in_exact_arithmetic(case: tuple[Piece, Array, Array, Rng]) -> None:
    """For every winner, at the worst corner of the inputs' box; and it is not raised by much."""
    piece, lower, upper, rng = case
    hull = Hull(piece, lower, upper)
    for loose in loose_points(piece, lower, upper, rng):
        cut = cut_of(hull, loose)
        if cut is not None:
            excess = exact_excess(cut, piece, lower, upper)
            assert excess <= 0
            ends = np.maximum(np.abs(lower), np.abs(upper))
            size = (np.abs(piece.weights) @ ends[piece.inputs] + np.abs(piece.constants)).max()
            size += ends[piece.output] + (piece.rest or 0.0)
            if not len(cut.columns) < 1 + len(piece.inputs) + len(piece.wins):
                assert float(excess) >= -1e-11 * size * np.abs(cut.values).max()


def test_a_piece_with_an_infinite_end_has_no_hull() -> None:
    piece = Piece(0, np.array([1]), np.ones((1, 1)), np.zeros(1), np.array([2]), 0.0)
    program = replace(LinearProgram.of_size(3, 1), pieces=(piece,))
    for column, low, high in ((0, 0.0, np.inf), (1, -np.inf, 1.0), (1, -1.0, np.inf)):
        lower, upper = program.lower.copy(), program.upper.copy()
        lower[column], upper[column] = low, high
        assert not hulls_of(replace(program, lower=lower, upper=upper))
    assert len(hulls_of(program)) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_point_that_is_no_number_gives_no_cut(value: float) -> None:
    piece = Piece(0, np.array([1]), np.ones((1, 1)), np.zeros(1), np.array([2]), 0.0)
    hull = Hull(piece, np.array([-5.0, -1.0, 0.0]), np.array([5.0, 1.0, 1.0]))
    with np.errstate(invalid="ignore"):
        found = hull.cut(np.array([1.0, value, 0.5]), HULL.least_violation, 0.0)
    assert found is None or np.isfinite(found.limit)
