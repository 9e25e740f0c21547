"""Multi-label losses and the margin behind the accuracy figures.

Symbols: ``f`` ``(B, M)`` scores, ``y`` ``(B, M)`` with 1 where a label is present, ``k`` the number
of present labels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def ranking(scores: Tensor, present: Tensor) -> Tensor:
    """Return ``log(1 + sum of exp(f_n - f_p) over present p and absent n)``, mean over the batch.

    The log-sum-exp pairwise loss (Li, Song, Luo, *Improving Pairwise Ranking for Multi-label Image
    Classification*, 2017): it is small only when all present labels lead all absent ones.
    """
    absent_mass = torch.logsumexp(scores.masked_fill(present > 0, -torch.inf), dim=1)
    present_mass = torch.logsumexp((-scores).masked_fill(present == 0, -torch.inf), dim=1)
    return F.softplus(absent_mass + present_mass).mean()


def bce(scores: Tensor, present: Tensor) -> Tensor:
    """Return the binary cross entropy of each label on its own, mean over labels and batch."""
    return F.binary_cross_entropy_with_logits(scores, present)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"ranking": ranking, "bce": bce}
"""Every loss a training spec can name."""


def all_margin(scores: Tensor, present: Tensor) -> Tensor:
    """Return the lowest present score minus the highest absent one, ``(B,)``: positive iff all
    present labels are in the top k."""
    lowest = scores.masked_fill(present == 0, torch.inf).amin(dim=1)
    highest = scores.masked_fill(present > 0, -torch.inf).amax(dim=1)
    return lowest - highest


def any_margin(scores: Tensor, present: Tensor) -> Tensor:
    """Return the highest present score minus the k-th highest absent one, ``(B,)``: positive iff a
    present label is in the top k."""
    k = int(present[0].sum())
    best = scores.masked_fill(present == 0, -torch.inf).amax(dim=1)
    absent = scores.masked_fill(present > 0, -torch.inf).topk(k, dim=1).values
    return best - absent[:, -1]
