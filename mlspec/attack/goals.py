"""What single restarts of an attack go for: one subset of ``k`` rivals each.

An image violates iff ``k`` margins of one claim fall to zero together, so there are as many goals
as subsets; which is reached first is seen only by trying.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlspec.core import forward
from mlspec.core.network import Array
from mlspec.core.problem import Problem

BEYOND = 3
"""Rivals taken into account beyond the ``k`` that are weakest at the centre."""


@dataclass(frozen=True, eq=False)
class Goals:
    """Subsets of margins ``rows @ scores + offsets``, one for each of ``B`` members."""

    rows: Array
    """``(B, k, M)``."""
    offsets: Array
    """``(B, k)``."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, members: NDArray[np.intp]) -> Goals:
        """Return the goals of ``members``, which may repeat."""
        return Goals(self.rows[members], self.offsets[members])

    def and_also(self, other: Goals) -> Goals:
        """Return all goals of both."""
        rows = np.concatenate([self.rows, other.rows])
        return Goals(rows, np.concatenate([self.offsets, other.offsets]))

    def margins(self, scores: Tensor) -> Tensor:
        """Return the margins ``(B, k)`` for ``scores`` ``(B, M)``; all of a row must fall to 0."""
        rows, offsets = torch.as_tensor(self.rows), torch.as_tensor(self.offsets)
        return torch.einsum("bkm,bm->bk", rows.to(scores), scores) + offsets.to(scores)


def likely(problem: Problem) -> Goals:
    """Return, over all claims, the subsets among the rivals that are weakest at the centre."""
    rows, offsets = [], []
    scores = forward.scores(problem.network, problem.image[None])
    for claim in problem.property.claims:
        near = np.sort(np.argsort(claim.margins(scores)[0], kind="stable")[: claim.k + BEYOND])
        for subset in combinations(near.tolist(), claim.k):
            rows.append(claim.rows[list(subset)])
            offsets.append(claim.offsets[list(subset)])
    return Goals(np.stack(rows), np.stack(offsets))


def closest(problem: Problem, images: Array) -> Goals:
    """Return for each of ``images`` ``(B, C, H, W)`` the ``k`` least margins of its weakest
    claim."""
    k, labels = problem.property.claims[0].k, problem.property.labels
    rows, offsets = [np.empty((0, k, labels))], [np.empty((0, k))]
    for scores in forward.scores(problem.network, images) if len(images) else ():
        claim = min(problem.property.claims, key=lambda one: float(one.margin(scores[None])[0]))
        near = np.argsort(claim.margins(scores[None])[0])[: claim.k]
        rows.append(claim.rows[near][None])
        offsets.append(claim.offsets[near][None])
    return Goals(np.concatenate(rows), np.concatenate(offsets))
