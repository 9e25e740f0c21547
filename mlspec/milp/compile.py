"""Network, box, bounds and claim to a Pyomo model of the violating images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import sparse

from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.core.network import (
    Add,
    Array,
    Conv,
    Flatten,
    Linear,
    MaxPool,
    Network,
    Relu,
    Scale,
    Shape,
)
from mlspec.core.property import Claim
from mlspec.errors import SolverError
from mlspec.milp import maxpool, relu
from mlspec.milp.affine import Affine, Ints, operator
from mlspec.milp.builder import Builder, plus
from mlspec.milp.collector import collector_paused
from mlspec.milp.model import MilpModel
from mlspec.tolerances import MILP_MARGIN

Needed = NDArray[np.bool_]
NARROW = 1e-4
"""A pixel that moves less is written as its start and a share of its range: HiGHS fixes variables
of a range of 1e-6, however large their coefficients."""


@dataclass(frozen=True, eq=False)
class Compiler:
    """Compiles claims about ``network``, as ``fused`` returns it."""

    network: Network
    decision: bool = True
    """Ask whether a violation exists; otherwise minimise the margin."""

    def compile(self, box: Box, bounds: Bounds, claim: Claim, rows: Sequence[int]) -> MilpModel:
        """Return the model of ``claim`` over ``box``, with the margins ``rows`` of the claim.

        Only values that can move and matter get variables. Raises SolverError where ``bounds``
        would make a big-M that no solver tolerance survives.
        """
        with collector_paused():
            return self._compile(box, bounds, claim, rows)

    def _compile(self, box: Box, bounds: Bounds, claim: Claim, rows: Sequence[int]) -> MilpModel:
        if not all(np.isfinite(ends).all() for ends in (*bounds.lower, *bounds.upper)):
            raise SolverError("a bound is missing or not finite: there is no big-M to encode with")
        needed, candidates = self._needed(bounds)
        build = Builder()
        moving = _inputs(build, box, needed[0])
        values = [moving.image]
        inputs = tuple(build.columns)
        for position, (op, sources) in enumerate(
            zip(self.network.ops, self.network.inputs, strict=True)
        ):
            # Other branches may have added variables since a value was made.
            value, *others = (values[source].over(len(build.columns)) for source in sources)
            shape = self.network.shape_before(position)
            tag = f"{type(op).__name__.lower()}{position}"
            low, up = (ends[sources[0]].ravel() for ends in (bounds.lower, bounds.upper))
            match op:
                case Conv() | Linear() | Scale():
                    value = value.through(op, shape)
                case Add():
                    for other in others:
                        value = value.plus(other)
                case Relu():
                    units = np.flatnonzero(needed[position + 1])
                    value = relu.encode(build, tag, value, low, up, units)
                case MaxPool():
                    windows = int(np.prod(self.network.shapes[position]))
                    value = maxpool.encode(
                        build, tag, value, low, up, candidates[position], windows
                    )
                case Flatten():
                    pass
            values.append(value)
        level, margins = self._margins(build, values[-1], claim, rows)
        build.model.objective = pyo.Objective(expr=level)
        return MilpModel(
            pyomo=build.model,
            pixels=moving.pixels,
            inputs=inputs,
            margins=margins,
            decision=self.decision,
            centre=(box.lower + box.upper) / 2,
            binaries=build.binaries,
            scales={r: build.row_scales.get(("margin", r), 1.0) for r in rows},
            starts=moving.starts,
            units=moving.units,
            structure=build.structure(),
        )

    def _needed(
        self, bounds: Bounds
    ) -> tuple[list[Needed], dict[int, list[tuple[int, list[int]]]]]:
        """Return which units of each value can influence the scores, and the live candidates of
        each pool."""
        sizes = [int(np.prod(self.network.shape_of(v))) for v in range(len(bounds.lower))]
        needed: list[Needed] = [np.zeros(size, dtype=bool) for size in sizes]
        needed[-1][:] = True
        candidates = {}
        for position in range(len(self.network.ops) - 1, -1, -1):
            op, shape = self.network.ops[position], self.network.shape_before(position)
            sources, after = self.network.inputs[position], needed[position + 1]
            match op:
                case Conv() | Linear() | Scale():
                    weight, _ = operator(op, shape)
                    before = np.asarray(abs(weight).T @ after.astype(np.float64) > 0)
                case Relu():
                    before = after & (bounds.upper[sources[0]].ravel() > 0.0)
                case MaxPool():
                    members = _members(op.kernel, op.stride, shape)
                    low, up = (ends[sources[0]].ravel() for ends in (bounds.lower, bounds.upper))
                    live = maxpool.live_candidates(members, low, up, op.relu)
                    live = [(window, units) for window, units in live if after[window]]
                    candidates[position] = live
                    before = np.zeros(int(np.prod(shape)), dtype=bool)
                    before[[u for _, units in live for u in units if u != maxpool.ZERO]] = True
                case Flatten() | Add():
                    before = after
            for source in sources:
                needed[source] |= before
        return needed, candidates

    def _margins(
        self, build: Builder, scores: Affine, claim: Claim, rows: Sequence[int]
    ) -> tuple[Any, dict[int, Any]]:
        weight = sparse.csr_array(claim.rows)
        values = Affine(
            sparse.csr_array(weight @ scores.matrix), claim.rows @ scores.constant + claim.offsets
        )
        starts = {r: build.row(values, r) for r in rows}
        level: Any = 0.0
        if self.decision:
            below = {r: plus(row, constant=-MILP_MARGIN) for r, row in starts.items()}
        else:
            build.model.level = level = pyo.Var()
            below = {r: plus(row, (-1.0, level)) for r, row in starts.items()}
        constraint = build.below_zero("margin", below)
        return level, {r: constraint[r] for r in below}


@dataclass(frozen=True, eq=False)
class _Inputs:
    """The pixels that move: ``starts + units * variables``, over the first of a model's columns."""

    image: Affine
    pixels: tuple[int, ...]
    starts: Array
    units: Array


def _inputs(build: Builder, box: Box, needed: Needed) -> _Inputs:
    lower, upper = box.lower.ravel(), box.upper.ravel()
    moving = np.flatnonzero(needed & (upper > lower))
    low, width = lower[moving], upper[moving] - lower[moving]
    narrow = width < NARROW
    units = np.where(narrow, np.ldexp(1.0, np.frexp(width)[1]), 1.0)
    starts = np.where(narrow, low, 0.0)
    ends = (low - starts) / units, np.where(narrow, width / units, upper[moving])
    build.extend(build.inputs("x", moving.tolist(), *ends), *ends)
    constant = (lower + upper) / 2
    constant[moving] = starts
    matrix = sparse.csr_array(
        (units, (moving, np.arange(len(moving)))), shape=(len(lower), len(moving))
    )
    return _Inputs(Affine(matrix, constant), tuple(moving.tolist()), starts, units)


@cache
def _members(kernel: tuple[int, int], stride: tuple[int, int], shape: Shape) -> Ints:
    """Return the units ``(windows, n)`` in each pooling window over a value of ``shape``."""
    units = np.arange(int(np.prod(shape))).reshape(shape)
    view = sliding_window_view(units, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    return np.ascontiguousarray(view).reshape(-1, kernel[0] * kernel[1])
