"""Small MILPs around a violation: what they find is one, and nearer than what they began from."""

from __future__ import annotations

import numpy as np
import pytest
from attacks import fmn
from law import law
from machines import complete_stage, context_of, highs
from random_ops import SMALL
from strategies import Question, problem_of, questions

from mlspec.bounds.crown import Crown
from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.protocols import EpsPath
from mlspec.milp.compile import Compiler
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from mlspec.verifier.local_search import LocalSearch

SECONDS = 20.0


def local_search(problem: Problem, *, alone: bool = False) -> LocalSearch:
    """A local search whose attack is a weak one."""
    compiler = Compiler(problem.relaxed, decision=True)
    complete = None if alone else complete_stage(problem, compiler, highs(), SECONDS)
    attack = fmn(problem, restarts=2, rounds=0)
    return LocalSearch(problem, attack, Crown().on(context_of(problem)), complete)


def along(direction: Array) -> EpsPath:
    return lambda shares: shares[:, None] * direction


@law(questions(SMALL, None), quick=15, deep=300)
def test_what_it_finds_violates_and_is_no_farther_than_what_less_work_finds(
    question: Question,
) -> None:
    problem, path = question.problem, along(question.eps)
    found = local_search(problem).find(path, deadline=Deadline.after(SECONDS))
    alone = local_search(problem, alone=True).find(path, deadline=Deadline.after(SECONDS))
    if found is None or alone is None:
        assert found is alone
        return
    assert found.share <= alone.share
    once = local_search(problem).find(
        path, deadline=Deadline.after(0.5 * SECONDS)
    )  # a single round
    assert once is None or found.share <= once.share
    assert problem.neighborhood(found.share * question.eps).box.contains(found.image)
    assert problem.margin(found.image[None])[0] <= 0.0


def test_it_leaves_the_basin_of_the_attack() -> None:
    """Of one pixel ``x`` the margin is ``1 - 1.05 x``, but for a spike around 0.4 that no gradient
    points to: it violates from 0.393 on, there, and from 0.952 on."""
    ops = (
        Flatten(),
        Linear(np.array([[1.05], [100.0], [100.0], [100.0]]), np.array([0.0, -39.0, -40.0, -41.0])),
        Relu(),
        Linear(np.array([[0.0] * 4, [1.0, 2.0, -4.0, 2.0]]), np.array([1.0, 0.0])),
    )
    layering = Layering(np.zeros((1, 1), dtype=np.int16), 1)
    network, image = Network(ops, (1, 1, 1)), np.zeros((1, 1, 1))
    problem = problem_of(network, image, layering, Property(TopK(1), (0,), 2))
    path = along(np.ones(1))
    alone = local_search(problem, alone=True).find(path, deadline=Deadline.after(SECONDS))
    assert alone is not None
    assert alone.share == pytest.approx(1 / 1.05, rel=0.01)
    found = local_search(problem).find(path, deadline=Deadline.after(SECONDS))
    assert found is not None
    assert found.share == pytest.approx(0.393, rel=0.01)


def test_past_its_deadline_it_returns_what_is_known() -> None:
    """Margin ``1 - 2 x`` of one pixel ``x``."""
    ops = (Flatten(), Linear(np.array([[-2.0], [0.0]]), np.array([1.0, 0.0])))
    layering = Layering(np.zeros((1, 1), dtype=np.int16), 1)
    network, image = Network(ops, (1, 1, 1)), np.zeros((1, 1, 1))
    problem = problem_of(network, image, layering, Property(TopK(1), (0,), 2))
    path, late = along(np.ones(1)), Deadline.after(-1.0)
    assert local_search(problem).find(path, deadline=late) is None
    found = local_search(problem).find(path, [np.full((1, 1, 1), 0.8)], late)
    assert found is not None
    assert found.share == pytest.approx(0.8)
    nearest = local_search(problem).find(path)
    assert nearest is not None
    assert nearest.share == pytest.approx(0.5, rel=1e-4)
