"""Dual bounds: what float64 says holds in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st
from law import law
from scipy import optimize, sparse

from mlspec.branching.bound import Rows, dual_bound
from mlspec.core.network import Array
from mlspec.rounding import gamma

Ends = tuple[Array, Array]


@law(st.integers(0, 2**32 - 1), quick=60, deep=2000)
def test_a_dual_bound_holds_for_any_multipliers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 6, 2)
    matrix = rng.normal(size=(rows, columns))
    lower = rng.uniform(-1.0, 0.0, columns)
    upper = lower + rng.uniform(0.0, 2.0, columns)
    inside = rng.uniform(lower, upper)
    low = np.where(rng.random(rows) < 0.5, -np.inf, matrix @ inside - rng.random(rows))
    high = np.where(rng.random(rows) < 0.5, np.inf, matrix @ inside + rng.random(rows))
    cost = rng.normal(size=columns)
    solved = optimize.linprog(
        cost,
        A_ub=np.vstack([matrix[np.isfinite(high)], -matrix[np.isfinite(low)]]),
        b_ub=np.concatenate([high[np.isfinite(high)], -low[np.isfinite(low)]]),
        bounds=np.column_stack([lower, upper]),
    )
    for multipliers in (rng.normal(size=rows), np.zeros(rows), 1e6 * rng.normal(size=rows)):
        found = dual_bound(multipliers, cost, rows_of(matrix), (low, high), (lower, upper))
        assert found <= solved.fun + 1e-9


def rows_of(matrix: Array) -> Rows:
    return Rows.of(sparse.csr_array(matrix))


def spread(rng: np.random.Generator, *shape: int) -> Array:
    """Return numbers of very different sizes."""
    return rng.normal(size=shape) * 10.0 ** rng.uniform(-8.0, 8.0, shape)


def product_of(one: Array, other: Array) -> Fraction:
    """Return the exact scalar product."""
    pairs = zip(one.tolist(), other.tolist(), strict=True)
    return sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0))


def exact(
    multipliers: Array, cost: Array, matrix: Array, row_ends: Ends, ends: Ends
) -> Fraction | None:
    """Return the bound of these multipliers in exact arithmetic; None is minus infinity."""
    total = Fraction(0)
    reduced = [Fraction(each) for each in cost.tolist()]
    for row, multiplier in enumerate(multipliers.tolist()):
        end = row_ends[0 if multiplier > 0.0 else 1][row]
        if np.isfinite(end):
            total += Fraction(multiplier) * Fraction(end)
            for column, value in enumerate(matrix[row].tolist()):
                reduced[column] -= Fraction(multiplier) * Fraction(value)
    for each, low, high in zip(reduced, *ends, strict=True):
        end = low if each > 0 else high
        if each != 0:
            if not np.isfinite(end):
                return None
            total += each * Fraction(end)
    return total


def cancelling(rng: np.random.Generator) -> tuple[Array, Array, Array, Ends, Ends, Array]:
    """Return a badly scaled program whose multipliers nearly cancel its cost, and a point of it."""
    rows, columns = rng.integers(1, 8, 2)
    matrix = spread(rng, rows, columns)
    matrix[rng.random(matrix.shape) < rng.choice([0.3, 1.0], p=[0.8, 0.2])] = 0.0
    multipliers = spread(rng, rows)
    # The cost is what the multipliers give, but for its last digits: reduced costs are all noise.
    noise = rng.choice([0.0, 1e-16, 1e-14, 1e-3, 1.0], columns) * rng.normal(size=columns)
    cost = (matrix.T @ multipliers) * (1.0 + noise)
    lower = spread(rng, columns)
    upper = lower + np.abs(spread(rng, columns))
    inside = np.clip(lower + rng.random(columns) * (upper - lower), lower, upper)
    values = [product_of(row, inside) for row in matrix]
    low = np.array([np.nextafter(float(value), -np.inf) for value in values])
    high = np.array([np.nextafter(float(value), np.inf) for value in values])
    # Of rows without coefficients only the ends count.
    low, high = low - np.abs(spread(rng, rows)), high + np.abs(spread(rng, rows))
    low[rng.random(rows) < 0.3] = -np.inf
    high[rng.random(rows) < 0.3] = np.inf
    return multipliers, cost, matrix, (low, high), (lower, upper), inside


@law(st.integers(0, 2**32 - 1), quick=300, deep=20_000)
def test_a_bound_never_exceeds_the_exact_one_nor_the_cost_of_a_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    multipliers, cost, matrix, row_ends, ends, inside = cancelling(rng)
    found = dual_bound(multipliers, cost, rows_of(matrix), row_ends, ends)
    true = exact(multipliers, cost, matrix, row_ends, ends)
    assert true is not None
    assert np.isfinite(found)
    assert Fraction(found) <= true
    assert true <= product_of(cost, inside)
    # Nor is it far below: what it gives away is a rounding of the largest terms.
    used = np.where(multipliers > 0.0, *row_ends)
    kept = np.where(np.isfinite(used), multipliers, 0.0)
    reach = np.maximum(*map(np.abs, ends))
    terms = (np.abs(cost) + np.abs(matrix).T @ np.abs(kept)) @ reach
    terms += np.abs(kept) @ np.where(np.isfinite(used), np.abs(used), 0.0)
    assert float(true - Fraction(found)) <= 1e-13 * terms + 1e-300


def test_a_plain_evaluation_may_exceed_the_exact_bound() -> None:
    """So the law above has something to find."""
    matrix = np.array([[1e16], [1e16]])
    multipliers, cost = np.array([1.0, -1.0]), np.array([1.0])
    row_ends = np.full(2, -1e20), np.full(2, 1e20)
    ends = np.array([-1e3]), np.array([0.0])
    order = matrix[:, 0] * multipliers
    assert (cost[0] - order[0]) - order[1] == 0.0  # the exact reduced cost is 1
    true = exact(multipliers, cost, matrix, row_ends, ends)
    found = dual_bound(multipliers, cost, rows_of(matrix), row_ends, ends)
    assert true is not None
    assert Fraction(found) <= true


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_infinite_end_needs_a_reduced_cost_of_a_certain_sign(sign: float) -> None:
    rows = rows_of(np.array([[1.0], [1e16]]))
    row_ends = np.full(2, -5.0), np.full(2, 5.0)
    zero, infinite = np.zeros(1), np.full(1, sign * np.inf)
    ends = (zero, infinite) if sign > 0 else (infinite, zero)
    cost = np.array([2.0 * sign])
    bound = dual_bound(np.array([1.0 * sign, 0.0]), cost, rows, row_ends, ends)
    assert bound == pytest.approx(-5.0)
    assert bound <= -5.0
    # Here the reduced cost is lost in the rounding of its terms, whatever is computed.
    cost = np.array([1e16 * sign])
    assert dual_bound(np.array([0.0, sign]), cost, rows, row_ends, ends) == -np.inf
    # Without any term it is zero: nothing is lost.
    bound = dual_bound(np.zeros(2), zero, rows, row_ends, ends)
    assert -1e-300 <= bound <= 0.0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_multipliers_that_are_no_numbers_are_ignored(wrong: float) -> None:
    rows = rows_of(np.eye(2))
    row_ends = np.zeros(2), np.ones(2)
    ends = np.full(2, -3.0), np.full(2, 3.0)
    found = dual_bound(np.array([wrong, 1.0]), np.ones(2), rows, row_ends, ends)
    assert found <= -3.0
    assert found == pytest.approx(-3.0)


def test_an_overflow_bounds_nothing() -> None:
    rows = rows_of(np.full((1, 1), 1e200))
    row_ends, ends = (np.zeros(1), np.ones(1)), (np.full(1, -1e200), np.full(1, 1e200))
    assert dual_bound(np.full(1, 1e200), np.ones(1), rows, row_ends, ends) == -np.inf


def test_gamma_is_no_less_than_its_definition() -> None:
    for operations in (0, 1, 2, 7, 1000, 10**6, 2**40):
        share = Fraction(operations, 2**53)
        assert Fraction(float(gamma(operations))) >= share / (1 - share)
        assert float(gamma(operations)) <= 1.0001 * float(share / (1 - share))
    assert gamma(2.0**53) == np.inf
