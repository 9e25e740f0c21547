"""alpha-CROWN: the relaxations' free parameters, optimised per open subset (Xu et al. 2021).

A subset ``S`` of margins can only be violated if all of them are non-positive together, so any
convex combination ``sum_i l_i m_i`` bounded above zero closes it. The relaxations' parameters and
the ``l`` are optimised together by Adam on the combination's CROWN bound. Every iterate is a
sound bound; the best of each subset counts.

Axes: ``B = 1`` box, ``S`` open subsets (the rows of ``crown.backward``).
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from mlspec.bounds import crown
from mlspec.bounds.adam import Adam
from mlspec.bounds.crown import Intervals
from mlspec.bounds.domain import Boxes
from mlspec.core.network import Array
from mlspec.core.property import Claim
from mlspec.ops.operation import Ends, Free, Relaxation
from mlspec.tensors import TensorNetwork

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
    free = _Parameters(net, known, len(subsets))
    box = Boxes(known.lower[0], known.upper[0])
    adam = Adam([mix, *free.leaves], RATE, DECAY)
    best = torch.full((len(subsets),), -torch.inf, dtype=net.dtype, device=net.device)
    for _ in range(iterations):
        if time.monotonic() > deadline:
            break
        share = torch.softmax(mix, dim=1)
        row = (share[..., None] * rows[members]).sum(1)
        constant = (share * offsets[members]).sum(1)
        linear = crown.backward(net, row[None], len(net.ops), free.relaxations())
        bound = crown.minimum(*linear, box)[0] + constant
        # Where a bound overflowed nothing is known.
        best = torch.where(bound.isfinite(), torch.maximum(best, bound.detach()), best)
        still_open = best <= enough
        if not bool(still_open.any()):
            break
        adam.climb(bound[still_open].sum())
        free.project()
    return best


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
