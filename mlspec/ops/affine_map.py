"""Affine maps over the variables of a model, as sparse matrices.

Every value of a network that an encoding touches is ``matrix @ variables + constant``; affine ops
compose these maps exactly, so no variable is spent on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mlspec.ops.op import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Affine:
    """``units`` values over ``width`` variables: ``matrix`` is CSR ``(units, width)``."""

    matrix: sparse.csr_array
    constant: Array
    """``(units,)``."""

    @property
    def width(self) -> int:
        """Number of variables."""
        return int(self.matrix.shape[1])

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
        return Affine(wider, self.constant)

    def scaled(self, factor: float, shift: float = 0.0) -> Affine:
        """Return the map of ``factor * value + shift``."""
        matrix = sparse.csr_array(self.matrix * factor) if factor != 1.0 else self.matrix
        return Affine(matrix, self.constant * factor + shift)

    def stacked(self, other: Affine) -> Affine:
        """Return the map of all values of ``self``, then all of ``other``."""
        matrix = sparse.vstack([self.matrix, other.matrix], format="csr")
        return Affine(sparse.csr_array(matrix), np.concatenate([self.constant, other.constant]))

    def plus(self, other: Affine) -> Affine:
        """Return the sum with ``other``, unit by unit, over the same variables."""
        matrix = sparse.csr_array(self.matrix + other.matrix)
        return Affine(matrix, self.constant + other.constant)

    def through(self, weight: sparse.csr_array, bias: Array) -> Affine:
        """Return the map of ``weight @ value + bias``, given that ``self`` is that of ``value``."""
        return Affine(weight @ self.matrix, weight @ self.constant + bias)

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
        return Affine(sparse.csr_array(stacked), np.asarray(select @ self.constant))
