"""Network, box, bounds and claim to a Pyomo model of the violating images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from scipy import sparse

from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.property import Claim
from mlspec.errors import SolverError
from mlspec.milp.builder import Builder
from mlspec.milp.collector import collector_paused
from mlspec.milp.model import MilpModel
from mlspec.ops.affine_map import Affine
from mlspec.ops.encoding import Needed, Site, plus
from mlspec.ops.operation import operation_of
from mlspec.rounding import sum_error
from mlspec.tolerances import MILP_MARGIN, NARROW


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
        needed, sites = self._sites(bounds)
        build = Builder()
        moving = _inputs(build, box, needed[0])
        values = [moving.image]
        inputs = tuple(build.columns)
        for op, site, sources in zip(self.network.ops, sites, self.network.inputs, strict=True):
            # Other branches may have added variables since a value was made.
            read = [values[source].over(len(build.columns)) for source in sources]
            known = site.where_still(read[0], needed[sources[0]])
            values.append(operation_of(op).encode(build, known, read))
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

    def _sites(self, bounds: Bounds) -> tuple[list[Needed], list[Site]]:
        """Return which units of each value can influence the scores, and the place of every op."""
        sizes = [int(np.prod(self.network.shape_of(v))) for v in range(len(bounds.lower))]
        needed: list[Needed] = [np.zeros(size, dtype=bool) for size in sizes]
        needed[-1][:] = True
        sites = []
        for position in range(len(self.network.ops) - 1, -1, -1):
            op, sources = operation_of(self.network.ops[position]), self.network.inputs[position]
            low, up = (ends[sources[0]].ravel() for ends in (bounds.lower, bounds.upper))
            tag = f"{type(op).__name__.lower()}{position}"
            shape = self.network.shape_before(position)
            sites.append(Site(tag, shape, low, up, needed[position + 1]))
            for source in sources:
                needed[source] |= op.needed(sites[-1])
        return needed, sites[::-1]

    def _margins(
        self, build: Builder, scores: Affine, claim: Claim, rows: Sequence[int]
    ) -> tuple[Any, dict[int, Any]]:
        weight = sparse.csr_array(claim.rows)
        share = sum_error(claim.rows.shape[1] + 1)
        error = np.abs(claim.rows) @ (scores.error + share * build.sizes(scores))
        error = error + share * np.abs(claim.offsets)
        values = scores.through(weight, claim.offsets, error)
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
    low, width = lower[moving], np.nextafter(upper[moving] - lower[moving], np.inf)
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
    # What has no variable but a range has no weight in any row.
    error = upper - lower
    error[moving] = 0.0
    return _Inputs(Affine(matrix, constant, error), tuple(moving.tolist()), starts, units)
