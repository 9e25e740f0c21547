"""One model for all subsets of margins: the solver itself chooses the ``k`` that vanish.

With the margins ``m_r <= 0`` of the model, upper bounds ``M_r`` of them and binaries ``b_r``:

    m_r <= M_r (1 - b_r),   sum_r b_r = k
"""

from __future__ import annotations

from dataclasses import replace

import pyomo.environ as pyo
from pyomo.contrib.fbbt.expression_bounds_walker import ExpressionBoundsVisitor

from mlspec.milp.model import MilpModel


def choosing(model: MilpModel, k: int) -> MilpModel:
    """Return a decision ``model`` with the choice of ``k`` of its margins built in.

    Its Pyomo model is changed: margins that a session would activate become rows of it.
    """
    if len(model.margins) == k:
        return model
    block = model.pyomo
    rows = list(model.margins)
    block.chosen = pyo.Var(rows, domain=pyo.Binary)
    largest = {row: _upper(margin.body) - margin.upper for row, margin in model.margins.items()}
    block.if_chosen = pyo.Constraint(
        rows,
        rule=lambda m, row: (
            model.margins[row].body + max(largest[row], 0.0) * m.chosen[row]
            <= model.margins[row].upper + max(largest[row], 0.0)
        ),
    )
    block.choice = pyo.Constraint(expr=sum(block.chosen[row] for row in rows) == k)
    for margin in model.margins.values():
        margin.deactivate()
    return replace(model, margins={}, binaries=model.binaries + len(rows))


def _upper(body: object) -> float:
    _, upper = ExpressionBoundsVisitor().walk_expression(body)
    return float(upper)
