"""Affine maps over the variables of a model, as sparse matrices.

Every value of a network that an encoding touches is ``matrix @ variables + constant``; affine ops
compose these maps, so no variable is spent on them. What rounding may have cost is known of each
value: its rows are relaxed by that much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mlspec.ops.op import Array
from mlspec.rounding import sum_error

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Affine:
    """``units`` values over ``width`` variables: ``matrix`` is CSR ``(units, width)``."""

    matrix: sparse.csr_array
    constant: Array
    """``(units,)``."""
    error: Array
    """``(units,)``: how far, in exact arithmetic, a value of the network may be from
    ``matrix @ variables + constant``, at most, where the variables are what they stand for."""

    @property
    def width(self) -> int:
        """Number of variables."""
        return int(self.matrix.shape[1])

    @property
    def still(self) -> NDArray[np.bool_]:
        """Which values depend on no variable, ``(units,)``."""
        return np.asarray(np.diff(self.matrix.indptr) == 0)

    def row(self, unit: int) -> tuple[list[int], list[float], float]:
        """Return the variables, coefficients and constant of one value."""
        start, end = self.matrix.indptr[unit], self.matrix.indptr[unit + 1]
        return (
            self.matrix.indices[start:end].tolist(),
            self.matrix.data[start:end].tolist(),
            float(self.constant[unit]),
        )

    def dense(self, units: Sequence[int]) -> tuple[NDArray[np.intp], Array]:
        """Return the variables that some of ``units`` has, ``(n,)``, and the coefficients
        ``(units, n)``."""
        ends = [slice(*self.matrix.indptr[unit : unit + 2]) for unit in units]
        parts = [self.matrix.indices[end] for end in ends]
        variables, places = np.unique(np.concatenate(parts), return_inverse=True)
        coefficients = np.zeros((len(units), len(variables)))
        rows = np.repeat(np.arange(len(units)), [len(part) for part in parts])
        np.add.at(coefficients, (rows, places), np.concatenate([self.matrix.data[e] for e in ends]))
        return variables.astype(np.intp), coefficients

    def over(self, width: int) -> Affine:
        """Return the same values over ``width`` variables, of which the further ones do not
        count."""
        if width == self.width:
            return self
        parts = self.matrix.data, self.matrix.indices, self.matrix.indptr
        wider = sparse.csr_array(parts, shape=(self.matrix.shape[0], width))
        return Affine(wider, self.constant, self.error)

    def scaled(self, sizes: Array, factor: float, shift: float = 0.0) -> Affine:
        """Return the map of ``factor * value + shift``; ``sizes`` are how large the terms of each
        unit's sum are."""
        matrix = sparse.csr_array(self.matrix * factor) if factor != 1.0 else self.matrix
        error = abs(factor) * self.error + sum_error(2) * (abs(factor) * sizes + abs(shift))
        return Affine(matrix, self.constant * factor + shift, error)

    def stacked(self, other: Affine) -> Affine:
        """Return the map of all values of ``self``, then all of ``other``."""
        matrix = sparse.vstack([self.matrix, other.matrix], format="csr")
        constant = np.concatenate([self.constant, other.constant])
        return Affine(sparse.csr_array(matrix), constant, np.concatenate([self.error, other.error]))

    def plus(self, other: Affine, sizes: Array) -> Affine:
        """Return the sum with ``other``, unit by unit, over the same variables; ``sizes`` are how
        large the terms of both units' sums are."""
        matrix = sparse.csr_array(self.matrix + other.matrix)
        error = self.error + other.error + sum_error(1) * sizes
        return Affine(matrix, self.constant + other.constant, error)

    def through(self, weight: sparse.csr_array, bias: Array, error: Array) -> Affine:
        """Return the map of ``weight @ value + bias``, given that ``self`` is that of ``value``,
        and what its error is."""
        return Affine(weight @ self.matrix, weight @ self.constant + bias, error)

    def fixed(self, units: Ints, lower: Array, upper: Array) -> Affine:
        """Return the map with ``units`` that were zero as constants between ``lower`` and
        ``upper``."""
        constant, error = self.constant.copy(), self.error.copy()
        constant[units] = (lower + upper) / 2
        error[units] = (upper - lower) / 2 + sum_error(2) * (np.abs(lower) + np.abs(upper))
        return Affine(self.matrix, constant, error)

    def replaced(self, kept: Ints, sources: Ints, fresh: Ints, units: int) -> Affine:
        """Return the map of ``units`` values after a piecewise op.

        Unit ``kept[i]`` passes on row ``sources[i]``, unit ``fresh[j]`` becomes the ``j``-th new
        variable (appended to the width), all others are zero.
        """
        ones = np.ones(len(kept))
        select = sparse.csr_array((ones, (kept, sources)), shape=(units, self.matrix.shape[0]))
        new = sparse.csr_array(
            (np.ones(len(fresh)), (fresh, np.arange(len(fresh)))), shape=(units, len(fresh))
        )
        stacked = sparse.hstack([select @ self.matrix, new], format="csr")
        constant, error = np.asarray(select @ self.constant), np.asarray(select @ self.error)
        return Affine(sparse.csr_array(stacked), constant, error)
