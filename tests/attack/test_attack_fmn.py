"""The nearest violation: inside and replayed, exact where that is known, never behind an attack."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from attacks import fmn, pgd
from law import law
from random_ops import SMALL, Rng
from scipy.optimize import linprog
from strategies import Question, problem_of, questions, seeded

from mlspec.attack.fmn import FmnAttack
from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.protocols import EpsPath
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu


def attack(problem: Problem, restarts: int = 8, rounds: int = 1) -> FmnAttack:
    return fmn(problem, restarts, rounds)


def along(direction: Array) -> EpsPath:
    return lambda shares: shares[:, None] * direction


@law(questions(SMALL, None), quick=20, deep=400)
def test_a_violation_lies_inside_and_is_replayed(question: Question) -> None:
    problem, eps = question.problem, question.eps
    found = attack(problem).find(along(eps))
    if found is None:
        assert not pgd(problem, 8, 30).find(eps).violates
        return
    assert 0.0 <= found.share <= 1.0
    box = problem.neighborhood(found.share * eps).box
    assert (found.image >= box.lower).all()
    assert (found.image <= box.upper).all()
    assert problem.margin(found.image[None])[0] <= 0.0


@law(questions(SMALL, None), quick=10, deep=200)
def test_the_same_arguments_give_the_same_violation(question: Question) -> None:
    once, again = (attack(question.problem).find(along(question.eps)) for _ in range(2))
    if once is None or again is None:
        assert once is again
        return
    assert once.share == again.share
    np.testing.assert_array_equal(once.image, again.image)


@law(questions(SMALL, None), quick=15, deep=300)
def test_it_is_never_behind_what_is_known(question: Question) -> None:
    problem, eps = question.problem, question.eps
    plain = pgd(problem, seed=1)
    known = [
        points.images[0]
        for points in (plain.find(share * eps) for share in (0.3, 0.6, 1.0))
        if points.violates
    ]
    found = attack(problem).find(along(eps), known)
    for image in known:
        assert found is not None
        moved = problem.layering.extents(image - problem.image)
        assert (found.share * eps <= moved + 1e-9).any()


def linear_question(rng: Rng) -> tuple[Problem, Array]:
    """Return a linear classifier of up to 5 labels, robust at its image, under a top-k rule."""
    pixels, labels = 24, int(rng.integers(3, 6))
    network = Network(
        (Flatten(), Linear(rng.normal(size=(labels, pixels)), rng.normal(size=labels))), (1, 4, 6)
    )
    image = rng.random((1, 4, 6))
    layering = Layering(rng.integers(0, 2, (4, 6)).astype(np.int16), 2)
    k = int(rng.integers(1, 3))
    best = int(np.argmax(network.ops[-1].weight @ image.ravel() + network.ops[-1].bias))
    problem = problem_of(network, image, layering, Property(TopK(k), (best,), labels))
    return problem, rng.uniform(0.2, 1.0, 2)


def exact_share(problem: Problem, eps: Array) -> float:
    """Return the least share at which a linear classifier violates, by one LP for each subset.

    min s  s.t.  margins of the subset <= 0, |x_p - c_p| <= s eps_p, 0 <= x <= 1
    """
    (claim,) = problem.property.claims
    last = problem.network.ops[-1]
    assert isinstance(last, Linear)
    centre = problem.image.ravel()
    reach = problem.layering.spread(eps).ravel()
    count, eye = len(centre), np.eye(len(centre))
    ends = np.r_[np.c_[eye, -reach], np.c_[-eye, -reach]]
    limits = np.r_[centre, -centre]
    least = np.inf
    for subset in combinations(range(len(claim.rows)), claim.k):
        rows = claim.rows[list(subset)] @ last.weight
        offsets = claim.rows[list(subset)] @ last.bias
        solved = linprog(
            np.eye(count + 1)[count],
            A_ub=np.r_[ends, np.c_[rows, np.zeros(claim.k)]],
            b_ub=np.r_[limits, -offsets],
            bounds=[(0.0, 1.0)] * (count + 1),
        )
        least = min(least, solved.fun if solved.success else np.inf)
    return least


@law(seeded(linear_question), quick=20, deep=800)
def test_of_linear_classifiers_it_finds_the_exact_radius(question: tuple[Problem, Array]) -> None:
    problem, eps = question
    found = attack(problem, restarts=16, rounds=1).find(along(eps))
    exact = exact_share(problem, eps)
    if found is None:
        assert exact > 1.0 - 1e-6
    else:
        assert exact <= found.share + 1e-9
        assert found.share <= 1.001 * exact


def test_layers_may_have_a_radius_for_each_direction() -> None:
    """Margin ``x0 + x1 - 0.5`` of grey pixels: only downwards does it fall."""
    network = Network(
        (Flatten(), Linear(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([-0.5, 0.0]))), (1, 1, 2)
    )
    image = np.full((1, 1, 2), 0.5)
    layering = Layering(np.array([[0, 1]], dtype=np.int16), 2).directed(image)
    problem = problem_of(network, image, layering, Property(TopK(1), (0,), 2))
    found = attack(problem).find(along(np.array([0.5, 0.1, 0.3, 0.1])))
    assert found is not None
    assert found.share == pytest.approx(0.5 / 0.8, rel=1e-4)
    assert attack(problem).find(along(np.array([0.1, 1.0, 0.1, 1.0]))) is None


def test_a_failure_at_a_larger_radius_ends_nothing() -> None:
    """Gradients at the image vanish: a dead ReLU hides the way."""
    ops = (
        Flatten(),
        Linear(np.array([[10.0, 0.0]]), np.array([-9.0])),
        Relu(),
        Linear(np.array([[0.0], [3.0]]), np.array([1.0, 0.0])),
    )
    layering = Layering(np.zeros((1, 2), dtype=np.int16), 1)
    problem = problem_of(
        Network(ops, (1, 1, 2)), np.zeros((1, 1, 2)), layering, Property(TopK(1), (0,), 2)
    )
    found = attack(problem, restarts=16).find(along(np.ones(1)))
    assert found is not None
    assert found.share == pytest.approx(0.9 + 1 / 30, rel=0.01)


def test_an_image_that_violates_is_the_nearest() -> None:
    problem, eps = linear_question(np.random.default_rng(0))
    worst = Property(TopK(1), (0,), 2)
    network = Network((Flatten(), Linear(np.zeros((2, 24)), np.zeros(2))), (1, 4, 6))
    tied = problem_of(network, problem.image, problem.layering, worst)
    found = attack(tied).find(along(eps))
    assert found is not None
    assert found.share == 0.0
    np.testing.assert_array_equal(found.image, problem.image)


def test_past_its_deadline_it_returns_what_is_known() -> None:
    problem, eps = linear_question(np.random.default_rng(1))
    known = attack(problem).find(along(eps))
    assert known is not None
    late = attack(problem).find(along(eps), [known.image], deadline=Deadline.after(0.0))
    assert late is not None
    assert late.share == pytest.approx(known.share, rel=1e-6)
