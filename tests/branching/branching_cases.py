"""A model of a shipped network, and branch and cut without cuts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from backend_cases import compiled
from machines import SECONDS
from strategies import Question

import mlspec
from mlspec.backends.engine import Engine
from mlspec.backends.engine import RunEnd as Ended
from mlspec.backends.program import LinearProgram
from mlspec.branching import nodes
from mlspec.branching.tree import BranchAndCut
from mlspec.core.deadline import Deadline
from mlspec.milp.model import MilpModel
from mlspec.run import prepare

OPEN = (2, 3)
"""Competitors that are not decided within seconds."""


def open_model() -> MilpModel:
    """Return a model of a shipped network."""
    problem = prepare(mlspec.load_spec("specs/pgd_img3.yaml")).problem
    eps = np.where(np.arange(problem.layering.count) < 4, 0.075, 0.0)
    return compiled(Question(problem, eps), "alpha", decision=True)


NO_CUTS = BranchAndCut(cuts=nodes.CuttingPlanes(root_rounds=0, node_rounds=0))


def asked(engine: Engine, program: LinearProgram, rows: Iterable[int], row: int) -> Ended:
    """Let ``engine`` decide the margin in ``row``, one of the ``rows`` of margins."""
    limits = dict.fromkeys(rows, np.inf) | {row: float(program.rhs[row])}
    cost = np.zeros(program.columns)
    columns, values = program.row(row)
    cost[columns] = values
    engine.change_rows(limits)
    engine.change_cost(cost)
    return engine.run(Deadline.after(SECONDS))
