"""The exact strategy on real networks that are small enough to enumerate."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import assume, reject
from law import law
from machines import cascade
from oracles import TooManyCellsError, level
from random_ops import TINY
from search_cases import maximised, new_search
from strategies import Question, questions

from mlspec.core.network import Array
from mlspec.core.objective import OBJECTIVES
from mlspec.core.trace import StopReason
from mlspec.search.exact import ExactStrategy

GAP = 0.1
POINTS = 6


@law(questions(TINY, targets=1), quick=4, deep=40)
def test_no_robust_radius_of_a_grid_is_worth_more_than_the_bound(question: Question) -> None:
    problem = question.problem
    count = problem.layering.count
    assume(count <= 2)

    def robust(eps: Array) -> bool:
        try:
            box = problem.neighborhood(eps).box
            return level(problem.network, box, problem.property).margin > 0.0
        except TooManyCellsError:
            reject()

    assume(robust(np.zeros(count)))
    for objective in (aim(problem.weights) for aim in OBJECTIVES.values()):
        search = new_search(objective, cascade(problem), seconds=20.0)
        trace = maximised(search, ExactStrategy(GAP), tolerance=0.05)
        value = float(objective.values(trace.best))
        assert robust(trace.best)
        if trace.stop is StopReason.OPTIMAL:
            assert trace.objective_bound <= (1.0 + GAP) * value
        grid = np.linspace(0.0, 1.0, POINTS)
        for eps in map(np.array, itertools.product(*[grid] * count)):
            if objective.values(eps) > trace.objective_bound * (1.0 + 1e-9):
                assert not robust(eps)
            if problem.weights @ eps > trace.upper_bound * (1.0 + 1e-9):
                assert not robust(eps)
