"""alpha-CROWN: the relaxations' free parameters, optimised per open subset (Xu et al. 2021).

A subset ``S`` of margins can only be violated if all of them are non-positive together, so any
convex combination ``sum_i l_i m_i`` bounded above zero closes it. The relaxations' parameters and
the ``l`` are optimised together by Adam on the combination's CROWN bound. Every iterate is a
sound bound; the best of each subset counts.

Axes: ``B = 1`` box, ``S`` open subsets (the rows of ``crown.backward``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mlspec.bounds.adam import Adam
from mlspec.bounds.analysis import Analysis, Intervals, OpenClaim, Subset, largest
from mlspec.bounds.context import BoundsContext
from mlspec.bounds.crown import Crown
from mlspec.bounds.domain import Boxes
from mlspec.bounds.lost import lowered_sum
from mlspec.bounds.propagation import backward, minimum
from mlspec.bounds.tighten import Tightening
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.property import Claim
from mlspec.core.verdict import Stage
from mlspec.ops.operation import Ends, Free, Relaxation
from mlspec.rounding import sum_error
from mlspec.tensors import TensorNetwork
from mlspec.tolerances import ROBUST_MARGIN


@dataclass(frozen=True)
class AlphaCrown:
    """How relaxations are optimised."""

    iterations: int = 40
    """Steps for each open subset at most."""
    subsets_at_once: int = 16
    """Subsets optimised together: bounds the memory."""
    ascent: Adam = Adam(rate=0.2, decay=0.97)
    """Of the relaxations' parameters, which lie in [0, 1], and of the weights' logarithms."""
    tightening: Tightening = Tightening()
    """Of intermediate values, before the subsets."""
    crown: Crown = Crown()
    """The bounds it begins from, where none are given."""

    def on(self, context: BoundsContext) -> AlphaBounder:
        """Return the bounds of one property."""
        return AlphaBounder(context, self)

    def close(
        self,
        net: TensorNetwork,
        known: Intervals,
        claim: Claim,
        subsets: list[Subset],
        deadline: Deadline = NEVER,
    ) -> Array:
        """Return lower bounds ``(S,)`` of each subset's largest margin over the box of ``known``.

        Stops once every bound exceeds ``ROBUST_MARGIN``, or ``deadline`` has passed: minus infinity
        where nothing was found by then.
        """
        step = self.subsets_at_once
        parts = [subsets[start : start + step] for start in range(0, len(subsets), step)]
        found = [self._close_some(net, known, claim, part, deadline) for part in parts]
        return torch.cat(found).cpu().numpy()

    def _close_some(
        self,
        net: TensorNetwork,
        known: Intervals,
        claim: Claim,
        subsets: list[Subset],
        deadline: Deadline,
    ) -> Tensor:
        rows, offsets = net.tensor(claim.rows), net.tensor(claim.offsets)
        members = torch.tensor(subsets, device=net.device)
        mix = torch.zeros(members.shape, dtype=net.dtype, device=net.device, requires_grad=True)
        free = _Parameters(net, known, len(subsets))
        box = Boxes(known.lower[0], known.upper[0])
        largest_terms = rows.abs() @ known.magnitude(len(net.ops))[0] + offsets.abs()
        ascent = self.ascent.on([mix, *free.leaves])
        best = torch.full((len(subsets),), -torch.inf, dtype=net.dtype, device=net.device)
        for _ in range(self.iterations):
            if deadline.passed:
                break
            share = torch.softmax(mix, dim=1)
            row = (share[..., None] * rows[members]).sum(1)
            constant = (share * offsets[members]).sum(1)
            linear = backward(net, row[None], len(net.ops), free.relaxations(), known)
            bound = lowered_sum(minimum(*linear, box)[0], constant)
            bound = bound - self._mixing_error(bound, share, largest_terms[members])
            # Where a bound overflowed nothing is known.
            best = torch.where(bound.isfinite(), torch.maximum(best, bound.detach()), best)
            still_open = best <= ROBUST_MARGIN
            if not bool(still_open.any()):
                break
            ascent.climb(bound[still_open].sum())
            free.project()
        return best

    @staticmethod
    def _mixing_error(bound: Tensor, share: Tensor, terms: Tensor) -> Tensor:
        """Return what rounding may cost the combinations ``(S,)``.

        Their coefficients are sums of ``k`` shares; and the shares ``(S, k)`` add up to 1 only
        nearly, while the largest margin is at least the bound divided by their sum. ``terms`` is
        of the same shape: the largest sum of absolute values that each margin is a sum of.
        """
        with torch.no_grad():
            sizes = (share * terms).sum(1) + bound.abs()
            return sum_error(2 * share.shape[1] + 4) * sizes


@dataclass(frozen=True, eq=False)
class AlphaBounder:
    """Optimised bounds of one property: of the intermediate values, then of each subset that is
    open."""

    context: BoundsContext
    method: AlphaCrown
    stage: ClassVar[Stage] = Stage.ALPHA
    optimises: ClassVar[bool] = True

    def analyse(
        self, box: Box, earlier: Analysis | None = None, deadline: Deadline = NEVER
    ) -> Analysis:
        """Return what optimised bounds say of ``box``, beyond ``earlier`` ones of it."""
        crown = self.method.crown.on(self.context)
        known = earlier or crown.analyse(box, deadline=deadline)
        tight = self.method.tightening.tightened(self.context.net, known.intervals, deadline)
        claims = []
        for item in known.claims:
            if not deadline.passed:
                margins = np.maximum(item.margins, crown.margins(tight, item.claim))
                better = {s: max(old, largest(margins, s)) for s, old in item.subsets.items()}
                item = replace(item, margins=margins).tightened(better)
            claims.append(self._closed(tight, item, deadline))
        return Analysis(tight, tuple(claims))

    def _closed(self, known: Intervals, item: OpenClaim, deadline: Deadline) -> OpenClaim:
        if not item.subsets:
            return item
        found = self.method.close(self.context.net, known, item.claim, list(item.subsets), deadline)
        better = {
            subset: max(old, float(new))
            for (subset, old), new in zip(item.subsets.items(), found, strict=True)
        }
        return item.tightened(better)


class _Parameters:
    """The free parameters of all relaxations, one set per subset."""

    def __init__(self, net: TensorNetwork, known: Intervals, subsets: int) -> None:
        self._net, self._known = net, known

        def leaf(start: Tensor) -> Tensor:
            return start[:, None].repeat(1, subsets, *[1] * (start.dim() - 1)).requires_grad_()

        self._free: dict[int, Free] = {
            position: tuple(
                leaf(start) for start in op.start(net.ops[position], *self._ends(position))
            )
            for position, op in net.piecewise.items()
        }

    @property
    def leaves(self) -> list[Tensor]:
        """All of them, as leaves of the graph."""
        return [each for free in self._free.values() for each in free]

    def relaxations(self) -> dict[int, Relaxation]:
        """Return the relaxation of each op, by its position, with an axis for the subsets."""
        return {
            position: self._net.piecewise[position].relax(
                self._net.ops[position], *self._for_subsets(position), free
            )
            for position, free in self._free.items()
        }

    def project(self) -> None:
        """Move every parameter back to where its relaxation is valid, so that gradients do not
        vanish."""
        with torch.no_grad():
            for position, free in self._free.items():
                item, ends = self._net.ops[position], self._for_subsets(position)
                self._net.piecewise[position].project(item, *ends, free)

    def _ends(self, position: int) -> Ends:
        """Return the bounds of what the op at ``position`` reads."""
        value = self._net.ops[position].source
        return self._known.lower[value], self._known.upper[value]

    def _for_subsets(self, position: int) -> Ends:
        lower, upper = self._ends(position)
        return lower[:, None], upper[:, None]
