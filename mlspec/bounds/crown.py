"""CROWN bounds: every value that a relaxed op reads is bounded by rows propagated to the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F

from mlspec.bounds import interval, patches
from mlspec.bounds.analysis import Analysis, Intervals, opened
from mlspec.bounds.context import BoundsContext
from mlspec.bounds.domain import Boxes, Domain, Hull
from mlspec.bounds.interval import finite
from mlspec.bounds.lost import lowered_sum
from mlspec.bounds.propagation import RelaxedNetwork
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.property import Claim
from mlspec.core.verdict import Stage
from mlspec.ops.operation import Ends, PiecewiseOperation, Relaxation
from mlspec.tensors import TensorNetwork
from mlspec.tolerances import ROBUST_MARGIN


@dataclass(frozen=True)
class Crown:
    """Batch sizes: they limit memory and do not change the bounds."""

    rows_at_once: int = 256
    """Dense rows propagated together."""
    cells_at_once: int = 2**18
    """Elements of one tensor of local rows, about: what fits a processor's cache goes three times
    as fast."""

    def on(self, context: BoundsContext) -> CrownBounder:
        """Return the bounds of one property."""
        return CrownBounder(context, self)

    def intermediate(
        self, net: TensorNetwork, domain: Domain, deadline: Deadline = NEVER
    ) -> Intervals:
        """Return bounds of every value in ``net`` over the images of ``domain``.

        The inputs of relaxed ops are tightened by CROWN, where that matters to the op and until
        ``deadline``, and intersected with their interval bounds.
        """
        known = Intervals([domain.lower], [domain.upper])
        relaxations: dict[int, Relaxation] = {}
        relaxed = RelaxedNetwork(net, known, relaxations, domain)
        for position, item in enumerate(net.ops):
            if (op := net.piecewise.get(position)) is not None:
                value = item.source
                if value > 1 or not domain.affine_is_exact:
                    self._tighten(relaxed, value, op, deadline)
                relaxations[position] = op.relaxed(item, known.lower[value], known.upper[value])
            lower, upper = interval.step(item, known.lower, known.upper)
            known.lower.append(lower)
            known.upper.append(upper)
        return known

    def _tighten(
        self,
        relaxed: RelaxedNetwork,
        value: int,
        op: PiecewiseOperation,
        deadline: Deadline,
    ) -> None:
        """Tighten what is known of ``value``, the input of ``op``, at least where that matters to
        it; the ops before it are relaxed."""
        known = relaxed.known
        low, up = known.lower[value], known.upper[value]
        if patches.applies(relaxed.net, value):
            is_open = op.open_positions(low.detach(), up.detach())
            positions = torch.nonzero(is_open.any(0)).flatten()
            found = patches.bounds(relaxed, value, positions, self.cells_at_once, deadline)
            # Positions that no time was left for are missing at the end.
            positions = positions[: found[0].shape[2]]
            if not len(positions):
                return
            shape, low, up = low.shape, low.flatten(2), up.flatten(2)
            chosen, before = is_open[:, None, positions], (low[..., positions], up[..., positions])
            tight_low = torch.where(chosen, torch.maximum(before[0], found[0]), before[0])
            tight_up = torch.where(chosen, torch.minimum(before[1], found[1]), before[1])
            known.lower[value] = low.index_copy(2, positions, tight_low).reshape(shape)
            known.upper[value] = up.index_copy(2, positions, tight_up).reshape(shape)
        else:
            tight_low, tight_up = self._of_value(relaxed, value, deadline)
            known.lower[value] = torch.maximum(low, tight_low)
            known.upper[value] = torch.minimum(up, tight_up)

    def _of_value(self, relaxed: RelaxedNetwork, value: int, deadline: Deadline) -> Ends:
        """Return CROWN bounds of a value, what is known of it for units beyond ``deadline``."""
        net, known = relaxed.net, relaxed.known
        shape = net.network.shape_of(value)
        units = int(np.prod(shape))
        lows, ups, done = [], [], 0
        while done < units and not deadline.passed:
            chosen = torch.arange(done, min(done + self.rows_at_once, units), device=net.device)
            rows = F.one_hot(chosen, units).to(net.dtype).reshape(1, -1, *shape)
            rows = rows.expand(len(relaxed.domain.lower), *rows.shape[1:])
            lows.append(relaxed.minimum(rows, value))
            ups.append(-relaxed.minimum(-rows, value))
            done += len(chosen)
        lows.append(known.lower[value].flatten(1)[:, done:])
        ups.append(known.upper[value].flatten(1)[:, done:])
        low, up = (torch.cat(ends, 1).reshape(-1, *shape) for ends in (lows, ups))
        return low, up


@dataclass(frozen=True, eq=False)
class CrownBounder:
    """CROWN bounds of one property."""

    context: BoundsContext
    method: Crown
    stage: ClassVar[Stage] = Stage.CROWN
    optimises: ClassVar[bool] = False

    def analyse(
        self, box: Box, earlier: Analysis | None = None, deadline: Deadline = NEVER
    ) -> Analysis:
        """Return what CROWN says of ``box``."""
        with torch.no_grad():
            known = self.method.intermediate(self.context.net, self.context.boxes(box), deadline)
        claims = (opened(claim, self.margins(known, claim)) for claim in self.context.claims)
        return Analysis(known, tuple(claims))

    def margins(self, known: Intervals, claim: Claim) -> Array:
        """Return lower bounds ``(R,)`` of the margins of ``claim`` over the box of ``known``, by
        the relaxations' first parameters."""
        net, box = self.context.net, Boxes(known.lower[0], known.upper[0])
        with torch.no_grad():
            relaxed = RelaxedNetwork.by_default(net, known, box)
            least = relaxed.minimum(net.tensor(claim.rows)[None], len(net.ops))[0]
            least = lowered_sum(least, net.tensor(claim.offsets))
        return finite(least.cpu().numpy())

    def slopes(self, box: Box, deadline: Deadline = NEVER) -> tuple[float, Array, Array]:
        """Return the margin that CROWN certifies over ``box``, and its derivatives by the lower and
        the upper ends, both ``(C, H, W)``.

        Where bounds overflow the margin is minus infinity.
        """
        net = self.context.net
        ends = net.tensor(box.lower[None]), net.tensor(box.upper[None])
        for end in ends:
            end.requires_grad_()
        domain = Boxes(*ends)
        known = self.method.intermediate(net, domain, deadline)
        relaxed = RelaxedNetwork.by_default(net, known, domain)
        least = []
        for claim in self.context.claims:
            margins = relaxed.minimum(net.tensor(claim.rows)[None], len(net.ops))[0]
            margins = lowered_sum(margins, net.tensor(claim.offsets))
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

    def violated_throughout(self, images: Array, deadline: Deadline = NEVER) -> bool:
        """Say whether CROWN shows that every convex combination of ``images`` ``(N, C, H, W)``
        violates: ``k`` margins of one claim stay negative on all of them."""
        net = self.context.net
        hull = Hull(net.tensor(images))
        with torch.no_grad():
            known = self.method.intermediate(net, hull, deadline)
            relaxed = RelaxedNetwork.by_default(net, known, hull)
            for claim in self.context.claims:
                least = relaxed.minimum(net.tensor(-claim.rows)[None], len(net.ops))[0]
                least = lowered_sum(least, net.tensor(-claim.offsets))
                lost = least.cpu().numpy()
                if np.count_nonzero((lost > ROBUST_MARGIN) & np.isfinite(lost)) >= claim.k:
                    return True
        return False
