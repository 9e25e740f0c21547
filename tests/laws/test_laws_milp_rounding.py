"""Models leave no image out: its exact forward pass satisfies every row, in rational numbers."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pyomo.environ as pyo
from hypothesis import assume
from law import law
from machines import analyse
from soundness import exact
from soundness.exact import Exact
from soundness.rounding import hard_question
from strategies import Question, seeded

from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.errors import SolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel
from mlspec.milp.piecewise import Piecewise
from mlspec.ops.clip import Clip
from mlspec.tolerances import MILP_MARGIN

PLACE = re.compile(r"([a-z]+)(\d+)_(.*)\[(\d+)")
"""Operation, position, what it is and unit, in a variable's name."""


class Point:
    """The values of a model's variables for one image."""

    def __init__(self, model: MilpModel, network: Network, image: Array) -> None:
        self.values: dict[int, Fraction] = {}
        self._units = dict(
            zip(map(id, model.structure.columns), model.structure.scales, strict=True)
        )
        self._network, self._exact = network, exact.values(network, image)
        starts, units = (np.broadcast_to(e, len(model.pixels)) for e in (model.starts, model.units))
        for variable, pixel, start, unit in zip(
            model.inputs, model.pixels, starts, units, strict=True
        ):
            value = Fraction(image.ravel()[pixel]) - Fraction(start)
            self.values[id(variable)] = value / Fraction(unit)
        self._columns = model.structure.columns
        for variable in self._columns[len(model.inputs) :]:
            unit = Fraction(self._units[id(variable)])
            self.values[id(variable)] = self.real(variable) / unit
        if (one := model.pyomo.component("one")) is not None:
            self.values[id(one)] = Fraction(1)
        for piece in model.structure.pieces:
            self._decide(piece)
        self._rest(model)

    def real(self, variable: Any) -> Fraction:
        """Return the exact value of the column ``variable``, in its own terms."""
        kind, position, what, unit = PLACE.match(variable.name).groups()  # type: ignore[union-attr]
        op, place = self._network.ops[int(position)], int(unit)
        if kind != "clip":
            return Fraction(self._exact[int(position) + 1].ravel()[place])
        assert isinstance(op, Clip)
        z = Fraction(self._exact[self._network.inputs[int(position)][0]].ravel()[place])
        if what == "low_y":
            return max(z - Fraction(op.low), Fraction(0))
        z = max(z, Fraction(op.low)) if np.isfinite(op.low) else z
        return max(Fraction(op.high) - z, Fraction(0))

    def _decide(self, piece: Piecewise) -> None:
        """Set the binaries."""
        sums = [self.of_map(piece, unit) for unit in piece.units]
        winner = max(range(len(sums)), key=sums.__getitem__)
        wins = piece.rest is None or self.real(piece.output) > Fraction(piece.rest)
        for number, binary in enumerate(piece.wins):
            self.values[id(binary)] = Fraction(int(wins and number == winner))

    def of_map(self, piece: Piecewise, unit: int) -> Fraction:
        """Return the value of one unit of ``piece.before`` by its map."""
        columns, coefficients, constant = piece.before.row(unit)
        variables = [self._columns[column] for column in columns]
        scales = [Fraction(self._units[id(variable)]) for variable in variables]
        known = [self.values[id(v)] * scale for v, scale in zip(variables, scales, strict=True)]
        parts = (Fraction(c) * value for c, value in zip(coefficients, known, strict=True))
        return sum(parts, Fraction(constant))

    def _rest(self, model: MilpModel) -> None:
        """Set the pools' candidates, from the rows that say what they are, and their shares."""
        for rows in model.pyomo.component_objects():
            if rows.local_name.endswith("_is"):
                for row in rows.values():
                    *others, z = row.body.linear_vars
                    *factors, own = row.body.linear_coefs
                    known = self.sum(factors, others)
                    middle = (Fraction(row.lb) + Fraction(row.ub)) / 2
                    self.values[id(z)] = (middle - known) / Fraction(own)
        for rows in model.pyomo.component_objects():
            if rows.local_name.endswith("_below"):
                for row in rows.values():
                    share, z, _ = row.body.linear_vars
                    if id(share) in self.values:
                        continue
                    # As large as its rows allow.
                    won = model.pyomo.component(rows.local_name[:-5] + "won")[row.index()]
                    limits = [room(self, each) for each in (row, won)]
                    self.values[id(share)] = min(*limits, Fraction(share.ub))

    def sum(self, coefficients: Any, variables: Any) -> Fraction:
        """Return ``coefficients . variables``."""
        pairs = zip(coefficients, variables, strict=True)
        return sum((Fraction(c) * self.values[id(v)] for c, v in pairs), Fraction(0))


def room(point: Point, row: Any) -> Fraction:
    """Return the largest value that ``row`` leaves to its first variable."""
    first, *factors = row.body.linear_coefs
    return (Fraction(row.ub) - point.sum(factors, row.body.linear_vars[1:])) / Fraction(first)


def assert_inside(model: MilpModel, point: Point, margins: Exact) -> None:
    """Assert that every row and every end holds; a margin row where its margin is low enough."""
    rows = {id(row): number for number, row in model.margins.items()}
    for row in model.pyomo.component_data_objects(pyo.Constraint, active=True):
        value = point.sum(row.body.linear_coefs, row.body.linear_vars)
        if id(row) in rows:
            number = rows[id(row)]
            above = margins[number] - Fraction(MILP_MARGIN)
            assert value - Fraction(row.ub) <= above * Fraction(model.scales[number]), row.name
        else:
            assert row.lb is None or Fraction(row.lb) <= value, row.name
            assert row.ub is None or value <= Fraction(row.ub), row.name
    for variable in model.pyomo.component_data_objects(pyo.Var):
        if id(variable) in point.values and not variable.is_binary():
            value = point.values[id(variable)]
            assert Fraction(variable.lb) <= value <= Fraction(variable.ub), variable.name


@law(seeded(hard_question), quick=80, deep=3000)
def test_the_exact_forward_pass_satisfies_every_row(question: Question) -> None:
    problem = question.problem
    box: Box = problem.neighborhood(question.eps).box
    bounds = analyse(problem, box, "interval").bounds()
    claim = problem.property.claims[0]
    try:
        model = Compiler(problem.relaxed).compile(box, bounds, claim, range(len(claim.rows)))
    except SolverError:
        assume(False)
    rng = np.random.default_rng(0)
    corner = np.where(rng.random(box.lower.shape) < 0.5, box.lower, box.upper)
    for image in (problem.image, corner):
        scores = exact.scores(problem.relaxed, image)
        margins = exact.affine(claim.rows, claim.offsets, scores)
        assert_inside(model, Point(model, problem.relaxed, image), margins)
