"""alpha-CROWN: the relaxations' free parameters, optimised per open subset (Xu et al. 2021).

A subset ``S`` of margins can only be violated if all of them are non-positive together, so any
convex combination ``sum_i l_i m_i`` bounded above zero closes it. Slopes, pool weights, pool levels
and the ``l`` are optimised together by Adam on the combination's CROWN bound. Every iterate is a
sound bound; the best of each subset counts.

Axes: ``B = 1`` box, ``S`` open subsets (the rows of ``crown.backward``).
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from mlspec.bounds import crown
from mlspec.bounds.adam import Adam
from mlspec.bounds.crown import Intervals, Lines
from mlspec.bounds.domain import Boxes
from mlspec.bounds.relax import (
    pool_levels,
    pool_planes,
    pool_weights,
    relu_lines,
    relu_slopes,
)
from mlspec.core.network import Array, MaxPool, Relu
from mlspec.core.property import Claim
from mlspec.tensors import TensorNetwork, TensorOp, windows

RATE, DECAY = 0.2, 0.97
SUBSETS_AT_ONCE = 16


def close(
    net: TensorNetwork,
    known: Intervals,
    claim: Claim,
    subsets: list[tuple[int, ...]],
    enough: float,
    iterations: int,
    deadline: float,
) -> Array:
    """Return lower bounds ``(S,)`` of each subset's largest margin over the box of ``known``.

    Stops when every bound exceeds ``enough``, or at ``deadline`` (in ``time.monotonic()`` seconds).
    """
    found = [
        _close_some(
            net,
            known,
            claim,
            subsets[start : start + SUBSETS_AT_ONCE],
            enough,
            iterations,
            deadline,
        )
        for start in range(0, len(subsets), SUBSETS_AT_ONCE)
    ]
    return torch.cat(found).cpu().numpy()


def _close_some(
    net: TensorNetwork,
    known: Intervals,
    claim: Claim,
    subsets: list[tuple[int, ...]],
    enough: float,
    iterations: int,
    deadline: float,
) -> Tensor:
    rows, offsets = net.tensor(claim.rows), net.tensor(claim.offsets)
    members = torch.tensor(subsets, device=net.device)
    mix = torch.zeros(members.shape, dtype=net.dtype, device=net.device, requires_grad=True)
    free = _Free(net, known, len(subsets))
    box = Boxes(known.lower[0], known.upper[0])
    adam = Adam([mix, *free.parameters], RATE, DECAY)
    best = torch.full((len(subsets),), -torch.inf, dtype=net.dtype, device=net.device)
    for _ in range(iterations):
        if time.monotonic() > deadline:
            break
        share = torch.softmax(mix, dim=1)
        row = (share[..., None] * rows[members]).sum(1)
        constant = (share * offsets[members]).sum(1)
        linear = crown.backward(net, row[None], len(net.ops), free.lines())
        bound = crown.minimum(*linear, box)[0] + constant
        # Where a bound overflowed nothing is known.
        best = torch.where(bound.isfinite(), torch.maximum(best, bound.detach()), best)
        still_open = best <= enough
        if not bool(still_open.any()):
            break
        adam.climb(bound[still_open].sum())
        free.project()
    return best


class _Free:
    """The free parameters of all relaxations, one set per subset."""

    def __init__(self, net: TensorNetwork, known: Intervals, subsets: int) -> None:
        self._net, self._known = net, known
        self._slopes: dict[int, Tensor] = {}
        self._weights: dict[int, Tensor] = {}
        self._levels: dict[int, Tensor] = {}

        def leaf(start: Tensor) -> Tensor:
            return start[:, None].repeat(1, subsets, *[1] * (start.dim() - 1)).requires_grad_()

        for position, item in enumerate(net.ops):
            if isinstance(item.op, Relu):
                ends = known.lower[item.source], known.upper[item.source]
                self._slopes[position] = leaf(relu_slopes(*ends))
            elif isinstance(item.op, MaxPool):
                low, up = self._windows(item, item.op)
                self._weights[position] = leaf(pool_weights(low, up, item.op.relu))
                self._levels[position] = leaf(pool_levels(up))

    @property
    def parameters(self) -> list[Tensor]:
        return [*self._slopes.values(), *self._weights.values(), *self._levels.values()]

    def lines(self) -> dict[int, Lines]:
        result: dict[int, Lines] = {}
        for position, item in enumerate(self._net.ops):
            if isinstance(item.op, Relu):
                lower, upper = self._known.lower[item.source], self._known.upper[item.source]
                result[position] = relu_lines(
                    lower[:, None], upper[:, None], self._slopes[position]
                )
            elif isinstance(item.op, MaxPool):
                low, up = (end[:, None] for end in self._windows(item, item.op))
                result[position] = pool_planes(
                    low, up, item.op.relu, self._weights[position], self._levels[position]
                )
        return result

    def project(self) -> None:
        """Move every parameter back to where its relaxation is valid, so that gradients do not
        die."""
        with torch.no_grad():
            for slopes in self._slopes.values():
                slopes.clamp_(0.0, 1.0)
            for weights in self._weights.values():
                weights.clamp_(0.0, 1.0)
            for position, levels in self._levels.items():
                item = self._net.ops[position]
                assert isinstance(item.op, MaxPool)
                low, up = (end[:, None] for end in self._windows(item, item.op))
                floor = low.amax(-1).clamp_min(0.0) if item.op.relu else low.amax(-1)
                levels.copy_(torch.maximum(torch.minimum(levels, up.amax(-1)), floor))

    def _windows(self, item: TensorOp, op: MaxPool) -> tuple[Tensor, Tensor]:
        """Return the bounds of what a pool reads, by window."""
        ends = self._known.lower[item.source], self._known.upper[item.source]
        low, up = (windows(end, op.kernel, op.stride) for end in ends)
        return low, up
