"""Sensitivities, estimated at the image and again on weak images."""

from __future__ import annotations

import numpy as np
from attacks import pgd
from law import law
from random_ops import SMALL
from strategies import Question, questions

from mlspec.attack.sensitivity import sensitivities, steering
from mlspec.core.verdict import WeakestPoints


def at(images: np.ndarray, layers: int) -> WeakestPoints:
    none = np.zeros((len(images), layers))
    return WeakestPoints(images, np.zeros(len(images)), none, none)


@law(questions(SMALL), quick=30, deep=500)
def test_steering_estimates_at_weak_images_what_sensitivity_is_at_the_centre(
    question: Question,
) -> None:
    problem, eps = question.problem, question.eps
    steer, layers = steering(problem), len(problem.weights)
    here = sensitivities(problem.network, problem.image, problem.property, problem.layering)
    expected = here / here.max() if here.any() else problem.weights
    np.testing.assert_allclose(steer(at(problem.image[None], layers)), expected)
    points = pgd(problem, restarts=4, steps=5, seed=0).find(eps)
    found = steer(points)
    assert found.shape == problem.weights.shape
    assert np.all(found >= 0.0)
    assert found.any()
    np.testing.assert_array_equal(found, steering(problem)(points))
