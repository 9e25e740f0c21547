"""What bounds say of one neighborhood: intervals, and which subsets of margins stay open."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from mlspec.bounds import alpha, crown, tighten
from mlspec.bounds.crown import Intervals
from mlspec.bounds.domain import Boxes, Hull
from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.property import Claim, Property
from mlspec.tensors import CPU, TensorNetwork
from mlspec.tolerances import ROBUST_MARGIN

Subset = tuple[int, ...]


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


class Bounder:
    """Computes bounds of one property's margins over boxes."""

    def __init__(
        self,
        network: Network,
        property_: Property,
        iterations: int,
        device: torch.device = CPU,
    ) -> None:
        self._net = TensorNetwork(network, torch.float64, device)
        self._claims = property_.claims
        self._iterations = iterations

    def interval(self, box: Box) -> Analysis:
        """Interval bounds only."""
        return self._analyse(box, linear=False)

    def crown(self, box: Box) -> Analysis:
        """CROWN bounds."""
        return self._analyse(box, linear=True)

    def alpha(self, earlier: Analysis, deadline: float = np.inf) -> Analysis:
        """Optimised bounds: of the intermediate values, then of each subset ``earlier`` left open.

        At ``deadline`` (in ``time.monotonic()`` seconds) they are as good as they are by then.
        """
        known = tighten.tightened(self._net, earlier.intervals, deadline)
        claims = []
        for item in earlier.claims:
            margins = np.maximum(item.margins, self._margins(known, item.claim, linear=True))
            better = {s: max(old, _largest(margins, s)) for s, old in item.subsets.items()}
            item = replace(item, margins=margins).tightened(better)
            claims.append(self._close(known, item, deadline))
        return Analysis(known, tuple(claims))

    def slopes(self, box: Box) -> tuple[float, Array, Array]:
        """Return the margin that CROWN certifies over ``box``, and its derivatives by the lower and
        the upper ends, both ``(C, H, W)``.

        Where bounds overflow the margin is minus infinity.
        """
        ends = self._net.tensor(box.lower[None]), self._net.tensor(box.upper[None])
        for end in ends:
            end.requires_grad_()
        domain = Boxes(*ends)
        known = crown.intermediate(self._net, domain, linear=True)
        relaxations = crown.default_relaxations(self._net, known)
        least = []
        for claim in self._claims:
            rows = self._net.tensor(claim.rows)
            row, bias = crown.backward(self._net, rows[None], len(self._net.ops), relaxations)
            margins = crown.minimum(row, bias, domain)[0] + self._net.tensor(claim.offsets)
            # Where a bound overflowed nothing is known.
            margins = torch.where(margins.isfinite(), margins, -torch.inf)
            least.append(margins.kthvalue(claim.k).values)
        margin = torch.stack(least).amin()
        down, up = torch.autograd.grad(margin, ends)
        value = float(margin.detach())
        return (
            value if np.isfinite(value) else -np.inf,
            np.nan_to_num(down[0].cpu().numpy()),
            np.nan_to_num(up[0].cpu().numpy()),
        )

    def violated_throughout(self, images: Array) -> bool:
        """Say whether CROWN shows that every convex combination of ``images`` ``(N, C, H, W)``
        violates: ``k`` margins of one claim stay negative on all of them."""
        hull = Hull(self._net.tensor(images))
        with torch.no_grad():
            known = crown.intermediate(self._net, hull, linear=True)
            relaxations = crown.default_relaxations(self._net, known)
            for claim in self._claims:
                rows = self._net.tensor(-claim.rows)
                row, bias = crown.backward(self._net, rows[None], len(self._net.ops), relaxations)
                lost = crown.minimum(row, bias, hull)[0].cpu().numpy() - claim.offsets
                if np.count_nonzero((lost > ROBUST_MARGIN) & np.isfinite(lost)) >= claim.k:
                    return True
        return False

    def _close(self, known: Intervals, item: OpenClaim, deadline: float) -> OpenClaim:
        if not item.subsets:
            return item
        subsets = list(item.subsets)
        found = alpha.close(
            self._net, known, item.claim, subsets, ROBUST_MARGIN, self._iterations, deadline
        )
        better = {
            subset: max(item.subsets[subset], float(new))
            for subset, new in zip(subsets, found, strict=True)
        }
        return item.tightened(better)

    def _analyse(self, box: Box, *, linear: bool) -> Analysis:
        ends = Boxes(self._net.tensor(box.lower[None]), self._net.tensor(box.upper[None]))
        with torch.no_grad():
            known = crown.intermediate(self._net, ends, linear=linear)
        claims = [
            _open(claim, self._margins(known, claim, linear=linear)) for claim in self._claims
        ]
        return Analysis(known, tuple(claims))

    def _margins(self, known: Intervals, claim: Claim, *, linear: bool) -> Array:
        """Return lower bounds ``(R,)`` of the claim's margins, by the default relaxations."""
        rows = self._net.tensor(claim.rows)
        with torch.no_grad():
            if linear:
                relaxations = crown.default_relaxations(self._net, known)
                row, bias = crown.backward(self._net, rows[None], len(self._net.ops), relaxations)
                least = crown.minimum(row, bias, Boxes(known.lower[0], known.upper[0]))[0]
            else:
                low, up = known.lower[-1][0], known.upper[-1][0]
                least = rows.clamp_min(0.0) @ low + rows.clamp_max(0.0) @ up
        margins = least.cpu().numpy() + claim.offsets
        # Where a bound overflowed nothing is known.
        return np.where(np.isfinite(margins), margins, -np.inf)


def _largest(margins: Array, subset: Subset) -> float:
    return float(margins[list(subset)].max())


def _open(claim: Claim, margins: Array) -> OpenClaim:
    """Sort the subsets of a claim into open and closed, given lower bounds ``(R,)`` of its
    margins."""
    open_rows = margins <= ROBUST_MARGIN
    # The weakest closed subset joins the smallest closed margin to the k - 1 smallest of all.
    weakest = max(claim.k - 1, int(open_rows.sum()))
    closed = float(np.sort(margins)[weakest]) if weakest < len(margins) else float("inf")
    bounds = {s: _largest(margins, s) for s in claim.subsets(open_rows)}
    return OpenClaim(claim, margins, {}, closed).tightened(bounds)
