"""Multi-label losses and the margin behind the accuracy figures.

Symbols: f (B, M) scores, y (B, M) with 1 where a label is present, k the number of present labels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def ranking(scores: Tensor, present: Tensor) -> Tensor:
    """log(1 + sum over present p, absent n of exp(f_n - f_p)), mean over the batch.

    The log-sum-exp pairwise loss (Li, Song, Luo, *Improving Pairwise Ranking for Multi-label Image
    Classification*, 2017): it is small only when all present labels lead all absent ones.
    """
    absent_mass = torch.logsumexp(scores.masked_fill(present > 0, -torch.inf), dim=1)
    present_mass = torch.logsumexp((-scores).masked_fill(present == 0, -torch.inf), dim=1)
    return F.softplus(absent_mass + present_mass).mean()


def bce(scores: Tensor, present: Tensor) -> Tensor:
    """Binary cross entropy of each label on its own, mean over labels and batch."""
    return F.binary_cross_entropy_with_logits(scores, present)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"ranking": ranking, "bce": bce}
"""Every loss a training spec can name."""


def all_margin(scores: Tensor, present: Tensor) -> Tensor:
    """Lowest present score minus highest absent score, (B,): positive iff all are in the top k."""
    lowest = scores.masked_fill(present == 0, torch.inf).amin(dim=1)
    highest = scores.masked_fill(present > 0, -torch.inf).amax(dim=1)
    return lowest - highest


def any_margin(scores: Tensor, present: Tensor) -> Tensor:
    """Highest present score minus k-th absent score, (B,): positive iff one is in the top k."""
    k = int(present[0].sum())
    best = scores.masked_fill(present == 0, -torch.inf).amax(dim=1)
    rivals = scores.masked_fill(present > 0, -torch.inf).topk(k, dim=1).values
    return best - rivals[:, -1]
