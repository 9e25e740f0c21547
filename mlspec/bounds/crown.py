"""CROWN: linear bounds propagated backwards (Zhang et al. 2018; DeepPoly, Singh et al. 2019).

A row ``a . y`` over an op's output is bounded from below by a row over its input: affine ops
substitute exactly, a relaxed op takes its lower line where ``a >= 0`` and its upper line where ``a
< 0``. Where branches part, the rows that come back along them add up. At the image the row is
minimised over the box, or whatever else the domain is.

Axes: ``B`` boxes, ``S`` rows (specifications), then the shape of the value they run over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.bounds import interval, patches
from mlspec.bounds.domain import Domain
from mlspec.ops.operation import PiecewiseOperation, Relaxation
from mlspec.tensors import TensorNetwork

ROWS_AT_ONCE = 256
"""Dense rows propagated together: bounds the memory of one backward pass."""


@dataclass
class Intervals:
    """Bounds of every value, the image first, each ``(B, ...)``."""

    lower: list[Tensor]
    upper: list[Tensor]


def intermediate(net: TensorNetwork, domain: Domain, *, linear: bool) -> Intervals:
    """Return bounds of every value in ``net`` over the images of ``domain``.

    With ``linear`` the inputs of relaxed ops are tightened by CROWN (and intersected with the
    interval bounds); otherwise they are plain interval bounds.
    """
    known = Intervals([domain.lower], [domain.upper])
    relaxations: dict[int, Relaxation] = {}
    for position, item in enumerate(net.ops):
        if linear and (op := net.piecewise.get(position)) is not None:
            value = item.source
            if value > 1 or not domain.affine_is_exact:
                _tighten(net, op, value, known, domain, relaxations)
            relaxations[position] = op.relaxed(item, known.lower[value], known.upper[value])
        after = interval.step(item, known.lower, known.upper)
        known.lower.append(after[0])
        known.upper.append(after[1])
    return known


def default_relaxations(
    net: TensorNetwork, known: Intervals, stop: int | None = None
) -> dict[int, Relaxation]:
    """Return every relaxed op's relaxation with its first parameters, by the op's position; only
    those before op ``stop``, if given."""
    return {
        position: op.relaxed(net.ops[position], known.lower[value], known.upper[value])
        for position, op in net.piecewise.items()
        if stop is None or position < stop
        for value in net.ops[position].inputs
    }


def backward(
    net: TensorNetwork,
    rows: Tensor,
    last: int,
    relaxations: Mapping[int, Relaxation],
) -> tuple[Tensor, Tensor]:
    """Bound ``rows . (value last)`` from below by ``row . x + bias`` on the boxes.

    ``rows`` is ``(B or 1, S, ...)`` over the value of number ``last``. Returns rows over the image
    ``(B, S, C, H, W)`` and biases ``(B, S)``. ``relaxations`` are those of the relaxed ops before
    ``last``, by position.
    """
    bias = rows.new_zeros(rows.shape[:2])
    over = {last: rows}
    for position in range(last - 1, -1, -1):
        if position + 1 not in over:
            continue
        item = net.ops[position]
        rows, shift = item.op.backward(item, over.pop(position + 1), relaxations.get(position))
        if shift is not None:
            bias = bias + shift
        for value in item.inputs:
            over[value] = over[value] + rows if value in over else rows
    return over[0], bias


def minimum(rows: Tensor, bias: Tensor, domain: Domain) -> Tensor:
    """Return the minima ``(B, S)`` of ``rows . x + bias`` over the images of ``domain``."""
    return domain.least(rows, lambda images: images[:, None], (2, 3, 4)) + bias


def _tighten(
    net: TensorNetwork,
    op: PiecewiseOperation,
    value: int,
    known: Intervals,
    domain: Domain,
    relaxations: Mapping[int, Relaxation],
) -> None:
    """Tighten ``value``, the input of the relaxed ``op``, at least where that matters to it."""
    low, up = known.lower[value], known.upper[value]
    if patches.applies(net, value):
        is_open = op.open_positions(low.detach(), up.detach())
        positions = torch.nonzero(is_open.any(0)).flatten()
        if not len(positions):
            return
        tight_low, tight_up = patches.bounds(net, value, relaxations, domain, positions)
        shape, low, up = low.shape, low.flatten(2), up.flatten(2)
        chosen, before = is_open[:, None, positions], (low[..., positions], up[..., positions])
        tight_low = torch.where(chosen, torch.maximum(before[0], tight_low), before[0])
        tight_up = torch.where(chosen, torch.minimum(before[1], tight_up), before[1])
        known.lower[value] = low.index_copy(2, positions, tight_low).reshape(shape)
        known.upper[value] = up.index_copy(2, positions, tight_up).reshape(shape)
    else:
        tight_low, tight_up = _of_value(net, value, domain, relaxations)
        known.lower[value] = torch.maximum(low, tight_low)
        known.upper[value] = torch.minimum(up, tight_up)


def _of_value(
    net: TensorNetwork, value: int, domain: Domain, relaxations: Mapping[int, Relaxation]
) -> tuple[Tensor, Tensor]:
    """Return CROWN bounds of the value of this number."""
    shape = net.network.shape_of(value)
    units = int(torch.tensor(shape).prod())
    lows, ups = [], []
    for start in range(0, units, ROWS_AT_ONCE):
        chosen = torch.arange(start, min(start + ROWS_AT_ONCE, units), device=net.device)
        rows = F.one_hot(chosen, units).to(net.dtype).reshape(1, -1, *shape)
        rows = rows.expand(len(domain.lower), *rows.shape[1:])
        lows.append(minimum(*backward(net, rows, value, relaxations), domain))
        ups.append(-minimum(*backward(net, -rows, value, relaxations), domain))
    return (
        torch.cat(lows, 1).reshape(-1, *shape),
        torch.cat(ups, 1).reshape(-1, *shape),
    )
