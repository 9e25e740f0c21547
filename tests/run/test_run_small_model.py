"""The small spec's model fits the size-limited free licences: under 1000 variables and rows."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest
from attacks import pgd
from machines import analyse

import mlspec
from mlspec.milp.compile import Compiler
from mlspec.run import prepare

LIMIT = 1000


@pytest.mark.parametrize("direction", [[1, 1, 1], [1, 0, 0], [0, 1, 0]])
def test_up_to_where_an_attack_breaks_it_the_model_fits(direction: list[int]) -> None:
    problem = prepare(mlspec.load_spec("specs/small.yaml")).problem
    attack = pgd(problem, restarts=8, steps=20, seed=0)
    low, high = 0.0, 1.0
    for _ in range(9):
        middle = (low + high) / 2
        broken = attack.find(middle * np.array(direction, dtype=float)).violates
        low, high = (low, middle) if broken else (middle, high)
    box = problem.neighborhood(high * np.array(direction, dtype=float)).box
    analysis = analyse(problem, box, "crown")
    claim = problem.property.claims[0]
    rows = range(len(claim.rows))
    model = Compiler(problem.relaxed).compile(box, analysis.bounds(), claim, rows).pyomo
    assert 0 < len(list(model.component_data_objects(pyo.Var))) < LIMIT
    assert 0 < len(list(model.component_data_objects(pyo.Constraint))) < LIMIT
