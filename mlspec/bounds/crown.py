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
from mlspec.bounds.relax import (
    PoolPlanes,
    ReluLines,
    open_positions,
    pool_levels,
    pool_planes,
    pool_weights,
    relu_lines,
    relu_slopes,
)
from mlspec.core.network import Add, Conv, Flatten, Linear, MaxPool, Relu, Scale
from mlspec.tensors import TensorNetwork, TensorOp, windows

Lines = ReluLines | PoolPlanes
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
    lines: dict[int, Lines] = {}
    for position, item in enumerate(net.ops):
        if linear and isinstance(item.op, Relu | MaxPool):
            value = item.source
            if value > 1 or not domain.affine_is_exact:
                _tighten(net, position, known, domain, lines)
            lines[position] = relax(item, known.lower[value], known.upper[value])
        after = interval.step(item, known.lower, known.upper)
        known.lower.append(after[0])
        known.upper.append(after[1])
    return known


def relax(item: TensorOp, lower: Tensor, upper: Tensor) -> Lines:
    """Return the default relaxation of a relaxed op over its input bounds."""
    if isinstance(item.op, MaxPool):
        low, up = (windows(end, item.op.kernel, item.op.stride) for end in (lower, upper))
        weights = pool_weights(low, up, item.op.relu)
        return pool_planes(low, up, item.op.relu, weights, pool_levels(up))
    return relu_lines(lower, upper, relu_slopes(lower, upper))


def default_lines(
    net: TensorNetwork, known: Intervals, stop: int | None = None
) -> dict[int, Lines]:
    """Return the default relaxation of every relaxed op of ``net``, or of those before op
    ``stop``."""
    return {
        position: relax(item, known.lower[item.source], known.upper[item.source])
        for position, item in enumerate(net.ops[:stop])
        if isinstance(item.op, Relu | MaxPool)
    }


def backward(
    net: TensorNetwork,
    rows: Tensor,
    last: int,
    lines: Mapping[int, Lines],
) -> tuple[Tensor, Tensor]:
    """Bound ``rows . (value last)`` from below by ``row . x + bias`` on the boxes.

    ``rows`` is ``(B or 1, S, ...)`` over the value of number ``last``. Returns rows over the image
    ``(B, S, C, H, W)`` and biases ``(B, S)``. Relaxations in ``lines`` may carry an axis ``S``
    after ``B`` (one relaxation per row), else they serve all rows.
    """
    bias = rows.new_zeros(rows.shape[:2])
    over = {last: rows}
    for position in range(last - 1, -1, -1):
        if position + 1 not in over:
            continue
        item, rows = net.ops[position], over.pop(position + 1)
        match item.op:
            case Linear():
                bias = bias + rows @ item.bias
                rows = rows @ item.weight
            case Flatten():
                rows = rows.reshape(*rows.shape[:2], *item.shape_in)
            case Conv():
                bias = bias + rows.sum((-1, -2)) @ item.bias
                rows = _conv_transpose(item, item.op, rows)
            case Scale():
                bias = bias + (rows * item.bias).flatten(2).sum(-1)
                rows = rows * item.weight
            case Add():
                pass
            case Relu():
                line = lines[position]
                assert isinstance(line, ReluLines)
                low, up, up_bias = (
                    _per_row(t, rows.dim()) for t in (line.low, line.up, line.up_bias)
                )
                negative = rows.clamp_max(0.0)
                bias = bias + (negative * up_bias).flatten(2).sum(-1)
                rows = rows.clamp_min(0.0) * low + negative * up
            case MaxPool():
                plane = lines[position]
                assert isinstance(plane, PoolPlanes)
                up_bias = _per_row(plane.up_bias, rows.dim())
                low, up = (_per_row(t, rows.dim() + 1) for t in (plane.low, plane.up))
                negative = rows.clamp_max(0.0)
                bias = bias + (negative * up_bias).flatten(2).sum(-1)
                inside = rows.clamp_min(0.0)[..., None] * low + negative[..., None] * up
                rows = _fold(item, item.op, inside)
        for value in item.inputs:
            over[value] = over[value] + rows if value in over else rows
    return over[0], bias


def minimum(rows: Tensor, bias: Tensor, domain: Domain) -> Tensor:
    """Return the minima ``(B, S)`` of ``rows . x + bias`` over the images of ``domain``."""
    return domain.least(rows, lambda images: images[:, None], (2, 3, 4)) + bias


def _tighten(
    net: TensorNetwork,
    position: int,
    known: Intervals,
    domain: Domain,
    lines: Mapping[int, Lines],
) -> None:
    """Tighten the input of the relaxed op at ``position``, at least where that matters to it."""
    item = net.ops[position]
    assert isinstance(item.op, Relu | MaxPool)
    value = item.source
    low, up = known.lower[value], known.upper[value]
    if patches.applies(net, value):
        is_open = open_positions(item.op, low.detach(), up.detach())
        positions = torch.nonzero(is_open.any(0)).flatten()
        if not len(positions):
            return
        relus = {number: line for number, line in lines.items() if isinstance(line, ReluLines)}
        tight_low, tight_up = patches.bounds(net, value, relus, domain, positions)
        shape, low, up = low.shape, low.flatten(2), up.flatten(2)
        chosen, before = is_open[:, None, positions], (low[..., positions], up[..., positions])
        tight_low = torch.where(chosen, torch.maximum(before[0], tight_low), before[0])
        tight_up = torch.where(chosen, torch.minimum(before[1], tight_up), before[1])
        known.lower[value] = low.index_copy(2, positions, tight_low).reshape(shape)
        known.upper[value] = up.index_copy(2, positions, tight_up).reshape(shape)
    else:
        tight_low, tight_up = _of_value(net, value, domain, lines)
        known.lower[value] = torch.maximum(low, tight_low)
        known.upper[value] = torch.minimum(up, tight_up)


def _of_value(
    net: TensorNetwork, value: int, domain: Domain, lines: Mapping[int, Lines]
) -> tuple[Tensor, Tensor]:
    """Return CROWN bounds of the value of this number."""
    shape = net.network.shape_of(value)
    units = int(torch.tensor(shape).prod())
    lows, ups = [], []
    for start in range(0, units, ROWS_AT_ONCE):
        chosen = torch.arange(start, min(start + ROWS_AT_ONCE, units), device=net.device)
        rows = F.one_hot(chosen, units).to(net.dtype).reshape(1, -1, *shape)
        rows = rows.expand(len(domain.lower), *rows.shape[1:])
        lows.append(minimum(*backward(net, rows, value, lines), domain))
        ups.append(-minimum(*backward(net, -rows, value, lines), domain))
    return (
        torch.cat(lows, 1).reshape(-1, *shape),
        torch.cat(ups, 1).reshape(-1, *shape),
    )


def _per_row(line: Tensor, dims: int) -> Tensor:
    return line if line.dim() == dims else line[:, None]


def _conv_transpose(item: TensorOp, op: Conv, rows: Tensor) -> Tensor:
    flat = rows.reshape(-1, *item.shape_out)
    kernel = item.weight.shape[2:]
    missing = tuple(
        size - ((out - 1) * s - 2 * p + k)
        for size, out, s, p, k in zip(
            item.shape_in[1:], item.shape_out[1:], op.stride, op.padding, kernel, strict=True
        )
    )
    back = F.conv_transpose2d(flat, item.weight, None, op.stride, op.padding, missing, op.groups)
    return back.reshape(*rows.shape[:2], *item.shape_in)


def _fold(item: TensorOp, op: MaxPool, inside: Tensor) -> Tensor:
    """Sum window coefficients ``(B, S, C, H', W', n)`` into rows ``(B, S, C, H, W)``."""
    batch, specs, channels = inside.shape[:3]
    columns = inside.permute(0, 1, 2, 5, 3, 4).reshape(
        batch * specs, channels * inside.shape[5], -1
    )
    size = (item.shape_in[1], item.shape_in[2])
    return F.fold(columns, size, op.kernel, stride=op.stride).reshape(batch, specs, channels, *size)
