"""One attack on many claims about the same box: for each, images at which its margins are low.

All claims descend together, in one batch per number of margins, by minimax SLP (see
``minimax_slp``) from the image at the centre and from a few random images. An image that
violates one claim may violate others as well, so the caller checks all images found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mlspec.attack.context import AttackContext
from mlspec.attack.margins import TargetSubsets
from mlspec.attack.minimax_slp import MinimaxSlp
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.property import Claim


@dataclass(frozen=True)
class ClaimAttack:
    """How much is tried for each claim."""

    subsets: int = 3
    """Subsets of margins that are targeted for each claim, the likeliest at the centre."""
    random_starts: int = 1
    """Random images from which each subset is targeted, beside the centre."""
    steps: int = 12
    """Linear programs for each."""
    at_once: int = 64
    """Images that descend together: bounds the memory."""
    slp: MinimaxSlp = MinimaxSlp()
    """How they descend."""

    def find(
        self,
        context: AttackContext,
        box: Box,
        claims: Sequence[Claim],
        seed: int,
        deadline: Deadline = NEVER,
    ) -> Array:
        """Return images ``(N, C, H, W)`` of ``box``, at which margins of ``claims`` are low; none
        once ``deadline`` has passed.

        The same arguments give the same images.
        """
        rng = np.random.default_rng(seed)
        corners = rng.integers(0, 2, (self.random_starts, *box.lower.shape))
        starts = np.concatenate(
            [box.clip(context.problem.image)[None], np.where(corners, box.upper, box.lower)]
        )
        found = [starts]
        for targets in self._targets(claims, context.centre_scores):
            numbers = np.arange(len(targets) * len(starts))
            for part in np.split(numbers, range(self.at_once, len(numbers), self.at_once)):
                if deadline.passed:
                    break
                subset, start = part // len(starts), part % len(starts)
                first = starts[start]
                found.append(self._lowered(context, box, targets.take(subset), first, deadline))
        return np.concatenate(found)

    def _targets(self, claims: Sequence[Claim], scores: Array) -> list[TargetSubsets]:
        """Return the subsets to target, those of one size together."""
        by_size: dict[int, list[tuple[Claim, tuple[int, ...]]]] = defaultdict(list)
        for claim in claims:
            by_size[claim.k] += [(claim, subset) for subset in self._likely(claim, scores)]
        return [
            TargetSubsets(
                np.stack([claim.rows[list(subset)] for claim, subset in chosen]),
                np.stack([claim.offsets[list(subset)] for claim, subset in chosen]),
            )
            for chosen in by_size.values()
        ]

    def _likely(self, claim: Claim, scores: Array) -> list[tuple[int, ...]]:
        """Return the smallest margins of ``claim`` for ``scores`` ``(M,)``, and the subsets in
        which the next smallest one stands in for one of them."""
        order = claim.smallest(scores, claim.k + 1).tolist()
        first, spare = order[: claim.k], order[claim.k :]
        swapped = [
            tuple(sorted({*first, *spare} - {left_out}))
            for left_out in (reversed(first) if spare else ())
        ]
        return [tuple(sorted(first)), *swapped][: self.subsets]

    def _lowered(
        self,
        context: AttackContext,
        box: Box,
        targets: TargetSubsets,
        images: Array,
        deadline: Deadline,
    ) -> Array:
        network = context.exact

        def margins(points: Tensor) -> Tensor:
            return targets.margins(network.forward(points))

        ends = network.tensor(box.lower), network.tensor(box.upper)
        with torch.enable_grad():
            points = self.slp.descend(
                margins,
                network.tensor(images),
                ends,
                self.steps,
                enough=-np.inf,
                deadline=deadline,
            )
        return box.clip(points.cpu().numpy())
