"""Margins in torch: that of a property, and the subsets of margins that an attack targets.

An image violates iff all ``k`` margins of some subset of one claim's are non-positive. An attack
does not know which subset is reached first, so it tries several. Axes: ``B`` images, ``M`` labels,
``k`` margins of a subset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlspec.core.network import Array
from mlspec.core.property import Property


def property_margin(property_: Property, scores: Tensor) -> Tensor:
    """Return the margin ``(B,)`` for ``scores`` ``(B, M)``: over all claims, the smallest of the
    k-th smallest margins."""
    each = []
    for claim in property_.claims:
        rows, offsets = torch.as_tensor(claim.rows), torch.as_tensor(claim.offsets)
        margins = scores @ rows.to(scores).T + offsets.to(scores)
        each.append(margins.kthvalue(claim.k, dim=1).values)
    return torch.stack(each).amin(0)


@dataclass(frozen=True, eq=False)
class TargetSubsets:
    """A subset of ``k`` margins ``rows @ scores + offsets`` for each of ``B`` images."""

    rows: Array
    """``(B, k, M)``."""
    offsets: Array
    """``(B, k)``."""

    @classmethod
    def likely(cls, property_: Property, scores: Array, extra: int) -> TargetSubsets:
        """Return, over all claims, the subsets of the ``k + extra`` margins that are smallest for
        ``scores`` ``(M,)``."""
        rows, offsets = [], []
        for claim in property_.claims:
            small = np.zeros(len(claim.rows), dtype=np.bool_)
            small[claim.smallest(scores, claim.k + extra)] = True
            for subset in claim.subsets(small):
                rows.append(claim.rows[list(subset)])
                offsets.append(claim.offsets[list(subset)])
        return cls(np.stack(rows), np.stack(offsets))

    @classmethod
    def closest(cls, property_: Property, scores: Array) -> TargetSubsets:
        """Return for each of ``scores`` ``(B, M)`` the ``k`` smallest margins of its weakest
        claim."""
        k, labels = property_.claims[0].k, property_.labels
        rows, offsets = np.empty((len(scores), k, labels)), np.empty((len(scores), k))
        for number, each in enumerate(scores):
            claim = property_.weakest_claim(each)
            smallest = claim.smallest(each)
            rows[number], offsets[number] = claim.rows[smallest], claim.offsets[smallest]
        return cls(rows, offsets)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, numbers: NDArray[np.intp]) -> TargetSubsets:
        """Return the subsets of these ``numbers``, which may repeat."""
        return TargetSubsets(self.rows[numbers], self.offsets[numbers])

    def joined(self, other: TargetSubsets) -> TargetSubsets:
        """Return the subsets of both, those of ``other`` last."""
        rows = np.concatenate([self.rows, other.rows])
        return TargetSubsets(rows, np.concatenate([self.offsets, other.offsets]))

    def distinct(self) -> NDArray[np.intp]:
        """Return the number of the first occurrence of every subset, ascending."""
        flat = np.concatenate([self.rows.reshape(len(self), -1), self.offsets], axis=1)
        return np.sort(np.unique(flat, axis=0, return_index=True)[1])

    def margins(self, scores: Tensor) -> Tensor:
        """Return the margins ``(B, k)`` for ``scores`` ``(B, M)``."""
        rows, offsets = torch.as_tensor(self.rows), torch.as_tensor(self.offsets)
        return torch.einsum("bkm,bm->bk", rows.to(scores), scores) + offsets.to(scores)


def smooth_maximum(margins: Tensor, temperature: float) -> Tensor:
    """Return ``(B,)``: of ``margins`` ``(B, k)``, ``temperature * log(sum(exp(m / temperature)))``.

    It exceeds the largest margin by ``temperature * log(k)`` at most.
    """
    return temperature * torch.logsumexp(margins / temperature, 1)
