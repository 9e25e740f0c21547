"""The attack: honest about what it found, deterministic, and exact where the problem is linear."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from law import law
from random_ops import SMALL, Rng, one_of
from strategies import Question, problem_of, questions, random_image, random_radius, seeded

from mlspec.attack.context import AttackContext
from mlspec.attack.pgd import Pgd, PgdAttack
from mlspec.core import forward
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, Threshold, TopK
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from mlspec.tensors import TensorNetwork


def attack(problem: Problem, restarts: int = 8, steps: int = 12, seed: int = 0) -> PgdAttack:
    return Pgd(restarts=restarts, steps=steps).on(AttackContext(problem), seed)


@law(questions(SMALL, None), quick=80, deep=1500)
def test_points_lie_in_the_box_and_their_margins_are_replayed(question: Question) -> None:
    problem, eps = question.problem, question.eps
    found = attack(problem).find(eps)
    box = problem.neighborhood(eps).box
    assert len(found.images) >= 1
    assert (found.images >= box.lower).all()
    assert (found.images <= box.upper).all()
    replayed = [float(problem.margin(image[None])[0]) for image in found.images]
    assert found.margins.tolist() == replayed
    assert (np.diff(found.margins) >= 0.0).all()
    assert found.violates == (found.margins[0] <= 0.0)
    assert found.margins[0] <= problem.margin(problem.image[None])[0]
    for image, extents in zip(found.images, found.extents, strict=True):
        np.testing.assert_array_equal(extents, problem.layering.extents(image - problem.image))
        assert (extents <= eps + 1e-12).all()
    fixed = problem.layering.index == Layering.FIXED
    np.testing.assert_array_equal(
        found.images[:, :, fixed], np.repeat(problem.image[None][:, :, fixed], len(found.images), 0)
    )


@law(questions(SMALL, None), quick=30, deep=500)
def test_the_same_arguments_give_the_same_points(question: Question) -> None:
    problem, eps = question.problem, question.eps
    state = torch.get_rng_state()
    once, again = attack(problem).find(eps), attack(problem).find(eps)
    np.testing.assert_array_equal(once.images, again.images)
    np.testing.assert_array_equal(once.margins, again.margins)
    np.testing.assert_array_equal(once.slopes, again.slopes)
    same = attack(problem)
    same.find(eps * 0.5)
    np.testing.assert_array_equal(same.find(eps).images, once.images)
    assert torch.equal(torch.get_rng_state(), state)


@law(questions(SMALL, None), quick=30, deep=500)
def test_a_known_violation_is_found_again_from_its_start(question: Question) -> None:
    problem, eps = question.problem, question.eps
    found = attack(problem).find(eps)
    for restarts in (2, 3, 8):
        starts = [problem.image, found.images[-1], found.images[0]]
        again = attack(problem, restarts=restarts, steps=1).find(eps, starts)
        assert again.margins[0] <= found.margins[0] + 1e-5 * (1 + abs(found.margins[0]))


@pytest.mark.parametrize("restarts", [1, 2, 3])
@pytest.mark.parametrize("starts", [0, 1, 5])
def test_few_restarts_and_many_starts_do_no_harm(restarts: int, starts: int) -> None:
    problem, eps = linear_question(np.random.default_rng(0))
    begin = [problem.image] * starts
    found = attack(problem, restarts=restarts, steps=3).find(eps, begin)
    assert np.isfinite(found.margins).all()


@law(questions(SMALL, None), quick=60, deep=1000)
def test_slopes_are_never_positive(question: Question) -> None:
    found = attack(question.problem, steps=5).find(question.eps)
    assert found.slopes.shape == (len(found.images), question.problem.layering.count)
    assert np.isfinite(found.slopes).all()
    assert (found.slopes <= 0.0).all()


def linear_question(rng: Rng) -> tuple[Problem, Array]:
    """Return a linear classifier, of one or several affine ops, and a radius."""
    shape = (int(rng.integers(1, 3)), int(rng.integers(2, 5)), int(rng.integers(2, 5)))
    pixels = int(np.prod(shape))
    labels = int(rng.integers(2, 5))
    last = Linear(rng.normal(size=(labels, pixels)), rng.normal(size=labels))
    ops = one_of(
        rng,
        (
            (Flatten(), last),
            (
                Conv(rng.normal(size=(shape[0], shape[0], 1, 1)), np.zeros(shape[0])),
                Flatten(),
                last,
            ),
        ),
    )
    network = Network(ops, shape)
    index = rng.integers(-1, 3, shape[1:]).astype(np.int16)
    image = random_image(rng, shape)
    rule = one_of(rng, (TopK(1), Threshold((0.0,) * labels)))
    problem = problem_of(
        network, image, Layering(index, 3), Property(rule, (int(rng.integers(labels)),), labels)
    )
    return problem, random_radius(rng, 3)


def exact_linear_level(problem: Problem, eps: Array) -> float:
    """Return the robustness level of a linear classifier under a rule with ``k = 1``."""
    shape = problem.network.input_shape
    basis = np.concatenate([np.zeros((1, *shape)), np.eye(int(np.prod(shape))).reshape(-1, *shape)])
    (claim,) = problem.property.claims

    margins = claim.margins(forward.scores(problem.network, basis))
    constant, rows = margins[0], (margins[1:] - margins[0]).T
    box = problem.neighborhood(eps).box
    low, up = box.lower.ravel(), box.upper.ravel()
    return float((rows.clip(min=0) @ low + rows.clip(max=0) @ up + constant).min())


@law(seeded(linear_question), quick=60, deep=2000)
def test_on_linear_classifiers_the_attack_finds_the_exact_optimum(
    question: tuple[Problem, Array],
) -> None:
    problem, eps = question
    found = attack(problem, restarts=12, steps=20).find(eps)
    exact = exact_linear_level(problem, eps)
    assert found.margins[0] >= exact - 1e-9
    if not found.violates:
        assert found.margins[0] <= exact + 1e-5


@law(seeded(linear_question), quick=100, deep=3000)
def test_on_linear_classifiers_slopes_are_the_derivative_of_the_level(
    question: tuple[Problem, Array],
) -> None:
    problem, eps = question
    lower = exact_linear_level(problem, eps)
    points = _minimisers(problem, eps)
    slopes = attack(problem).slopes(points, eps)[0]
    for layer in range(len(eps)):
        step = np.zeros(len(eps))
        step[layer] = 1e-7
        change = (exact_linear_level(problem, eps + step) - lower) / 1e-7
        if (eps + step <= 1.0).all():
            kink = _kinks(problem, eps, layer)
            assert slopes[layer] == pytest.approx(change, abs=1e-4) or kink


def _minimisers(problem: Problem, eps: Array) -> Array:
    """Return the minimiser ``(1, C, H, W)`` over the box of a linear classifier, at a corner."""
    box = problem.neighborhood(eps).box
    middle = torch.tensor((box.lower + box.upper) / 2)[None].requires_grad_()
    best, image = np.inf, None

    (claim,) = problem.property.claims
    for row, offset in zip(claim.rows, claim.offsets, strict=True):
        scores = TensorNetwork(problem.relaxed, torch.float64).forward(middle)[0]
        (gradient,) = torch.autograd.grad((torch.tensor(row) @ scores).sum(), middle)
        corner = np.where(gradient[0].numpy() > 0, box.lower, box.upper)

        value = float(forward.scores(problem.network, corner[None])[0] @ row + offset)
        if value < best:
            best, image = value, corner
    assert image is not None
    return image[None]


def _kinks(problem: Problem, eps: Array, layer: int) -> bool:
    """Whether, within the finite difference, another margin becomes the smallest or a bound is
    reached."""
    (claim,) = problem.property.claims
    point = _minimisers(problem, eps)
    margins = np.sort(claim.margins(np.asarray(_scores(problem, point)))[0])
    close = len(margins) > 1 and margins[1] - margins[0] < 1e-4
    reach = np.abs(problem.image - 0.5)[:, problem.layering.index == layer] + eps[layer]
    return bool(close or (np.abs(reach - 0.5) < 1e-6).any())


def _scores(problem: Problem, images: Array) -> Array:

    return forward.scores(problem.network, images)


def test_a_black_image_may_brighten_from_radius_zero() -> None:
    """At radius 0 every pixel touches its bounds, yet growing sets it free."""
    network = Network(
        (Flatten(), Linear(np.array([[-1.0, 2.0], [1.0, 0.0]]), np.zeros(2))), (1, 1, 2)
    )
    layering = Layering(np.array([[0, 1]], dtype=np.int16), 2)
    for value, expected in ((0.0, [-2.0, 0.0]), (1.0, [0.0, -2.0]), (0.5, [-2.0, -2.0])):
        image = np.full((1, 1, 2), value)
        problem = problem_of(network, image, layering, Property(TopK(1), (0,), 2))
        slopes = attack(problem).slopes(image[None], np.zeros(2))
        assert slopes[0].tolist() == expected


def test_the_attack_crosses_a_dead_relu() -> None:
    """A violation behind a flat region: only restarts from elsewhere reach it."""
    ops = (
        Flatten(),
        Linear(np.array([[10.0, 0.0]]), np.array([-9.0])),
        Relu(),
        Linear(np.array([[0.0], [3.0]]), np.array([1.0, 0.0])),
    )
    network = Network(ops, (1, 1, 2))
    problem = problem_of(
        network,
        np.zeros((1, 1, 2)),
        Layering(np.zeros((1, 2), dtype=np.int16), 1),
        Property(TopK(1), (0,), 2),
    )
    assert attack(problem, restarts=16, steps=20).find(np.ones(1)).violates
    assert not attack(problem, restarts=16, steps=20).find(np.array([0.9])).violates


@pytest.mark.parametrize("eps", [0.0, 1e-12])
def test_an_attack_without_room_reports_the_image(eps: float) -> None:
    problem, _ = linear_question(np.random.default_rng(3))
    found = attack(problem).find(np.full(3, eps))
    np.testing.assert_allclose(
        found.images, np.repeat(problem.image[None], len(found.images), 0), atol=2e-12
    )
