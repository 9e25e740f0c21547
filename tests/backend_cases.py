"""Models that every solver is asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from attacks import pgd
from machines import analyse, solver
from random_ops import SMALL
from strategies import Question, random_problem, random_radius

from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.errors import MissingSolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel

SOLVERS = ("highs", "highs-mip", "gurobi", "cplex", "scip", "glpk")
"""All of them: pip installs them for the tests."""


def here(name: str) -> bool:
    """Whether a solver is installed."""
    try:
        solver(name).version  # noqa: B018
    except MissingSolverError:
        return False
    return True


def compiled(question: Question, bounds: str, *, decision: bool) -> MilpModel:
    """Return the model of the first claim of ``question`` with all its margins."""
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    claim = problem.property.claims[0]
    known = analyse(problem, box, bounds).bounds()
    compiler = Compiler(problem.relaxed, decision=decision)
    return compiler.compile(box, known, claim, range(len(claim.rows)))


def market_split(rows: int = 5, columns: int = 40, seed: int = 0) -> MilpModel:
    """Return a small model that no solver decides in reasonable time (Cornuejols, Dawande 1998)."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(0, 100, (rows, columns))
    model: Any = pyo.ConcreteModel()
    model.x = pyo.Var(range(columns), domain=pyo.Binary)
    model.over = pyo.Var(range(rows), bounds=(0, None))
    model.under = pyo.Var(range(rows), bounds=(0, None))
    model.split = pyo.Constraint(
        range(rows),
        rule=lambda m, r: (
            sum(int(weight[r, c]) * m.x[c] for c in range(columns)) + m.over[r] - m.under[r]
            == int(weight[r].sum() // 2)
        ),
    )
    total = sum(model.over[r] + model.under[r] for r in range(rows))
    model.margin = pyo.Constraint([0], rule=lambda m, _: total <= 0.5)
    model.objective = pyo.Objective(expr=0.0)
    inputs = tuple(model.x[c] for c in range(columns))
    return MilpModel(
        pyomo=model,
        pixels=tuple(range(columns)),
        inputs=inputs,
        margins={0: model.margin[0]},
        decision=True,
        centre=np.zeros((1, 1, columns)),
        binaries=columns,
    )


def line(*, free: bool = False) -> MilpModel:
    """Return the linear program: least level at or above 0.5 - x, where 0 <= x <= 1.

    The level lies in [-10, 10], or is ``free``.
    """
    model: Any = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0.0, 1.0))
    model.level = pyo.Var(bounds=(None, None) if free else (-10.0, 10.0))
    model.margin = pyo.Constraint([0], rule=lambda m, _: 0.5 - m.x - m.level <= 0.0)
    model.objective = pyo.Objective(expr=model.level)
    inputs = (model.x,)
    return MilpModel(model, (0,), inputs, {0: model.margin[0]}, False, np.zeros((1, 1, 1)), 0)


def wide(variables: int, constraints: int) -> MilpModel:
    """Return an easy decision of this size."""
    model: Any = pyo.ConcreteModel()
    model.x = pyo.Var(range(variables), bounds=(0.0, 1.0))
    model.row = pyo.Constraint(
        range(constraints - 1), rule=lambda m, r: m.x[r % variables] + m.x[0] <= 1.5
    )
    model.margin = pyo.Constraint([0], rule=lambda m, _: sum(m.x.values()) <= 0.5)
    model.objective = pyo.Objective(expr=0.0)
    inputs = tuple(model.x.values())
    centre = np.zeros((1, 1, variables))
    pixels = tuple(range(variables))
    return MilpModel(model, pixels, inputs, {0: model.margin[0]}, True, centre, 0)


LARGEST = 800
"""Variables and constraints at most: every licence allows them."""


def random_questions(count: int) -> Iterator[Question]:
    """Yield questions that intervals leave open, by turns within and beyond an attack's reach."""
    rng = np.random.default_rng(0)
    while count:
        problem = random_problem(rng, replace(SMALL, only_relus=True), moving=None, targets=1)
        if problem.margin(problem.image[None])[0] <= 0.0:
            continue
        radius = random_radius(rng, problem.layering.count)
        reach = attack_share(problem, radius)
        for share in (0.8 * reach, min(1.0, 1.1 * reach)):
            question = Question(problem, share * radius)
            if count and 3 <= binaries(question) <= 25:
                count -= 1
                yield question


def attack_share(problem: Problem, radius: Array) -> float:
    """Return the least share of ``radius`` at which an attack succeeds, or 1."""
    attack = pgd(problem, restarts=4, steps=8)
    low, high = 0.0, 1.0
    for _ in range(6):
        middle = (low + high) / 2
        broken = attack.find(middle * radius).violates
        low, high = (low, middle) if broken else (middle, high)
    return high


def binaries(question: Question) -> int:
    """Return those of the model, or none if no solver is asked or a licence is too small."""
    problem = question.problem
    analysis = analyse(problem, problem.neighborhood(question.eps).box, "interval")
    if analysis.robust or analysis.open_subsets > 6:
        return 0
    model = compiled(question, "interval", decision=True)
    return model.binaries if max(model.variables, model.constraints) <= LARGEST else 0
