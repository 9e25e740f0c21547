"""CROWN: linear bounds propagated backwards (Zhang et al. 2018; DeepPoly, Singh et al. 2019).

A row ``a . y`` over an op's output is bounded from below by a row over its input: affine ops
substitute exactly, a relaxed op takes its lower line where ``a >= 0`` and its upper line where ``a
< 0``. Where branches part, the rows that come back along them add up. At the image the row is
minimised over the box, or whatever else the domain is. Biases are lowered by what rounding may have
cost (``mlspec.bounds.lost``): the bound holds in exact arithmetic.

Axes: ``B`` boxes, ``S`` rows (specifications), then the shape of the value they run over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from mlspec.bounds.analysis import Intervals
from mlspec.bounds.domain import Domain
from mlspec.bounds.lost import Lost, lowered_sum
from mlspec.ops.operation import Relaxation
from mlspec.rounding import sum_error
from mlspec.tensors import TensorNetwork


@dataclass(frozen=True, eq=False)
class RelaxedNetwork:
    """A network over the images of ``domain``, each relaxed op with linear bounds."""

    net: TensorNetwork
    known: Intervals
    """Bounds of its values, no tighter than those that ``relaxations`` hold over."""
    relaxations: Mapping[int, Relaxation]
    """Of the relaxed ops, by position."""
    domain: Domain

    @classmethod
    def by_default(cls, net: TensorNetwork, known: Intervals, domain: Domain) -> RelaxedNetwork:
        """Return the network with the relaxations' first parameters."""
        return cls(net, known, default_relaxations(net, known), domain)

    def minimum(self, rows: Tensor, last: int) -> Tensor:
        """Return lower bounds ``(B, S)`` of ``rows . (value last)`` over the domain; ``rows`` are
        as for ``backward``."""
        row, bias = backward(self.net, rows, last, self.relaxations, self.known)
        return minimum(row, bias, self.domain)


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
    known: Intervals,
) -> tuple[Tensor, Tensor]:
    """Bound ``rows . (value last)`` from below by ``row . x + bias`` on the boxes of ``known``.

    ``rows`` is ``(B or 1, S, ...)`` over the value of number ``last``. Returns rows over the image
    ``(B, S, C, H, W)`` and biases ``(B, S)``. ``relaxations`` are those of the relaxed ops before
    ``last``, by position, over bounds no looser than ``known``.
    """
    forward_and_back = 2.0
    net.clock.spend(forward_and_back * rows.shape[0] * rows.shape[1] * net.operations)
    bias = rows.new_zeros(rows.shape[:2])
    over, lost = {last: rows}, Lost()
    for position in range(last - 1, -1, -1):
        if position + 1 not in over:
            continue
        item, rows = net.ops[position], over.pop(position + 1)
        relaxation, error = relaxations.get(position), known.backward_error(net, position, last)
        if relaxation is None:
            lost.of_rows(rows, error)
        else:
            relaxation = relaxation.moved_apart(error)
        rows, shift = item.op.backward(item, rows, relaxation)
        if shift is not None:
            bias = bias + shift
            lost.of_sum(bias)
        for value in item.inputs:
            if value in over:
                over[value] = over[value] + rows
                lost.of_rows(over[value], sum_error(1) * known.magnitude(value))
            else:
                over[value] = rows
    return over[0], lost.taken_from(bias)


def minimum(rows: Tensor, bias: Tensor, domain: Domain) -> Tensor:
    """Return the minima ``(B, S)`` of ``rows . x + bias`` over the images of ``domain``."""
    return lowered_sum(domain.least(rows, lambda images: images[:, None], (2, 3, 4)), bias)
