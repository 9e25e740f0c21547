"""What bounds say of one neighborhood: intervals, and which subsets of margins stay open."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from mlspec.core.bounds import Bounds
from mlspec.core.network import Array
from mlspec.core.property import Claim
from mlspec.ops.operation import magnitude
from mlspec.tensors import TensorNetwork
from mlspec.tolerances import ROBUST_MARGIN

Subset = tuple[int, ...]


@dataclass
class Intervals:
    """Bounds of every value of a network, the image first, each ``(B, ...)``."""

    lower: list[Tensor]
    upper: list[Tensor]
    _errors: dict[int, Tensor | None] = field(default_factory=dict, init=False, repr=False)

    def backward_error(self, net: TensorNetwork, position: int, last: int) -> Tensor | None:
        """Return what rounding may cost a step back through the op at ``position``, for rows that
        begin at value ``last``; None where the op that they came through has paid for it."""
        value = position + 1
        return None if value != last and value in net.paid_for else self._error(net, position)

    def _error(self, net: TensorNetwork, position: int) -> Tensor | None:
        """Return what the op costs, and those before that it pays for.

        It is computed once: bounds may be tightened later, not loosened.
        """
        if position not in self._errors:
            item = net.ops[position]
            with torch.no_grad():
                low, up = ([ends[v] for v in item.inputs] for ends in (self.lower, self.upper))
                error = item.op.backward_error(item, low, up)
                if (op := net.piecewise.get(position)) is not None and item.source in net.paid_for:
                    before = self._error(net, item.source - 1)
                    if before is not None:
                        carried = op.carried(item, low[0], up[0], before)
                        error = carried if error is None else error + carried
            self._errors[position] = error
        return self._errors[position]

    def magnitude(self, value: int) -> Tensor:
        """Return the largest absolute values of the value of this number."""
        return magnitude(self.lower[value], self.upper[value])


@dataclass(frozen=True, eq=False)
class OpenClaim:
    """A claim and the subsets of its margins that no bound has closed yet."""

    claim: Claim
    margins: Array
    """Lower bounds of the claim's margins, each on its own, ``(R,)``."""
    subsets: dict[Subset, float]
    """Open subset to a lower bound of its largest margin, weakest first."""
    closed: float
    """A lower bound of the largest margin of every other subset."""

    @property
    def margin(self) -> float:
        """A certified lower bound of the claim's margin."""
        return min([self.closed, *self.subsets.values()])

    def hardest(self, subset: Subset) -> int:
        """Return the row of ``subset`` whose margin is the hardest to bring down."""
        return max(subset, key=lambda row: float(self.margins[row]))

    def tightened(self, bounds: dict[Subset, float]) -> OpenClaim:
        """Return the claim with its open subsets bounded by ``bounds``; the proved ones close."""
        closed = [bound for bound in bounds.values() if bound > ROBUST_MARGIN]
        still_open = {subset: bound for subset, bound in bounds.items() if bound <= ROBUST_MARGIN}
        weakest_first = dict(sorted(still_open.items(), key=lambda item: item[1]))
        return replace(self, subsets=weakest_first, closed=min([self.closed, *closed]))


@dataclass(frozen=True, eq=False)
class Analysis:
    """Bounds over one box, and what they leave open."""

    intervals: Intervals
    claims: tuple[OpenClaim, ...]

    @property
    def robust(self) -> bool:
        """Whether every subset of every claim is closed."""
        return not any(item.subsets for item in self.claims)

    @property
    def margin(self) -> float:
        """A certified lower bound of the property's margin."""
        return min(item.margin for item in self.claims)

    @property
    def open_subsets(self) -> int:
        """Number of subsets left open."""
        return sum(len(item.subsets) for item in self.claims)

    def bounds(self) -> Bounds:
        """Return the intervals as arrays of one box."""
        return Bounds(
            tuple(value[0].cpu().numpy() for value in self.intervals.lower),
            tuple(value[0].cpu().numpy() for value in self.intervals.upper),
        )


def largest(margins: Array, subset: Subset) -> float:
    """Return the largest of the margins of ``subset``."""
    return float(margins[list(subset)].max())


def opened(claim: Claim, margins: Array) -> OpenClaim:
    """Sort the subsets of a claim into open and closed, given lower bounds ``(R,)`` of its
    margins."""
    open_rows = margins <= ROBUST_MARGIN
    # The weakest closed subset joins the smallest closed margin to the k - 1 smallest of all.
    weakest = max(claim.k - 1, int(open_rows.sum()))
    closed = float(np.sort(margins)[weakest]) if weakest < len(margins) else float("inf")
    bounds = {s: largest(margins, s) for s in claim.subsets(open_rows)}
    return OpenClaim(claim, margins, {}, closed).tightened(bounds)
