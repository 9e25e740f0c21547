"""Affine operations of one input, ``y = W z + b``: what rounding may cost is the same for all.

Operations that are joined to one have parameters that were computed: ``error`` bounds how far they
are from those that they stand for, and counts wherever rounding does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from mlspec.ops.affine_map import Affine
from mlspec.ops.encoding import ModelBuilder, Needed, Site
from mlspec.ops.op import Array, Shape, undefined
from mlspec.ops.operation import (
    AffineOperation,
    Ends,
    TensorOp,
    magnitude,
    rounded_to_float32,
)
from mlspec.rounding import EXACT, ParameterError, sum_error


@dataclass(frozen=True)
class Terms:
    """How many numbers an affine operation adds up, at most, for one of each."""

    output: int
    """An output, its bias included."""
    row: int
    """A coefficient of rows over the input."""
    bias: int
    """A bias of rows."""


@dataclass(frozen=True, eq=False)
class Weighted(AffineOperation):
    """An affine operation of one input with a weight and a bias."""

    weight: Array
    bias: Array
    error: ParameterError = field(default=EXACT, kw_only=True)
    """How far weight and bias are from those of the network as it was read."""

    @property
    def parameters(self) -> tuple[Array, ...]:
        """Weight and bias."""
        return self.weight, self.bias

    def magnitude(self, *magnitudes: Array) -> Array:
        """Return ``|W| m + |b|``."""
        absolute = replace(self, weight=np.abs(self.weight), bias=np.abs(self.bias))
        return absolute.forward(*magnitudes)

    @abstractmethod
    def terms(self, item: TensorOp) -> Terms:
        """Return how many terms its sums have."""
        raise undefined(self, "number of terms")

    @abstractmethod
    def apply(self, value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return ``weight @ value + bias`` for a batch, with other parameters of the same
        shapes."""
        raise undefined(self, "forward pass in torch")

    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the outputs."""
        return self.apply(values[0], *item.parameters)

    def interval(self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> Ends:
        """Map centre ``c`` and radius ``r`` to ``W c + b`` and ``|W| r``.

        With ``m = max(|lower|, |upper|)``, rounding is worth at most ``gamma (|W| m + |b|)``: that
        joins the radius before it is mapped.
        """
        weight, bias = item.parameters
        centre, radius = (lower[0] + upper[0]) / 2, (upper[0] - lower[0]) / 2
        share = sum_error(self.terms(item).output + self.error.weights + 4)
        radius = radius + share * magnitude(lower[0], upper[0])
        centre = self.apply(centre, weight, bias)
        radius = self.apply(radius, weight.abs(), share * bias.abs() + self.error.bias)
        return centre - radius, centre + radius

    def backward_error(
        self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]
    ) -> Tensor | None:
        """Return ``gamma |W| m + gamma' |b|``, with ``m`` as above and the numbers of terms of rows
        and biases."""
        weight, bias = (each.abs() for each in item.parameters)
        terms = self.terms(item)
        of_rows = sum_error(terms.row + self.error.weights) * magnitude(lower[0], upper[0])
        of_biases = sum_error(terms.bias) * bias + self.error.bias
        return self.apply(of_rows, weight, of_biases)

    def float32_error(
        self, item: TensorOp, ends: Sequence[Ends], errors: Sequence[Tensor]
    ) -> Tensor:
        """Return ``|W| e + gamma (|W| (m + e) + |b|)``; parameters are rounded to float32 too."""
        weight, bias = (each.abs() for each in item.parameters)
        carried = self.apply(errors[0], weight, torch.zeros_like(bias))
        joined = sum_error(self.error.weights) if self.error.weights else 0.0
        terms = self.apply(magnitude(*ends[0]), weight, bias)
        carried = carried + joined * (terms + carried) + self.error.bias
        return rounded_to_float32(terms, carried, self.terms(item).output + 2)

    @abstractmethod
    def matrix(self, shape: Shape) -> tuple[sparse.csr_array, Array]:
        """Return the operation as ``(matrix, bias)`` over its flattened input of ``shape``."""
        raise undefined(self, "matrix")

    def needed(self, site: Site) -> Needed:
        """Return the units with a weight in some needed output."""
        weight, _ = operator(self, site.shape)
        return np.asarray(abs(weight).T @ site.needed.astype(np.float64) > 0)

    def encode(self, build: ModelBuilder, site: Site, values: Sequence[Affine]) -> Affine:
        """Compose the maps.

        A coefficient is a sum over the inputs of an output, and so is a constant, with its bias.
        """
        (value,) = values
        weight, bias = operator(self, site.shape)
        terms = int(np.diff(weight.indptr).max(initial=0)) + 1
        share = sum_error(terms + self.error.weights)
        carried = value.error * (1.0 + share) + share * build.sizes(value)
        error = abs(weight) @ carried + share * np.abs(bias) + self.error.bias
        return value.through(weight, bias, np.asarray(error))


@cache
def operator(op: Weighted, shape: Shape) -> tuple[sparse.csr_array, Array]:
    """Return ``op.matrix(shape)``, computed once."""
    return op.matrix(shape)


def joined_error(
    first: Weighted, second: Weighted, terms: int, sizes: Array, gains: Array
) -> ParameterError:
    """Return the error of two operations' joined parameters.

    A joined weight is a product, a joined bias ``W_2 b_1 + b_2`` a sum of ``terms`` ones. Of each
    output, ``sizes`` are ``|W_2| |b_1| + |b_2|``, and ``gains`` are ``|W_2|`` times 1.
    """
    of_sums = sum_error(terms + second.error.weights) * float(sizes.max(initial=0.0))
    carried = float(gains.max(initial=0.0)) * first.error.bias
    roundings = first.error.weights + second.error.weights + 1
    return ParameterError(roundings, of_sums + 2.0 * carried + second.error.bias)
