"""Witness patterns: images inside every neighborhood, of the last witnesses."""

from __future__ import annotations

import numpy as np
import pytest
from law import law
from random_ops import TINY
from strategies import Question, problem_of, questions

from mlspec.attack.context import AttackContext
from mlspec.attack.patterns import WitnessPatterns
from mlspec.core.layering import Layering
from mlspec.core.network import Network
from mlspec.core.property import Property, TopK
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear


@law(questions(TINY), quick=30, deep=300)
def test_images_of_a_pattern_stay_in_their_neighborhoods(question: Question) -> None:
    problem = question.problem
    rng = np.random.default_rng(0)
    patterns = WitnessPatterns(AttackContext(problem))
    for image in problem.neighborhood(question.eps).sample(rng, 4):
        patterns.learn(image, question.eps)
    other = rng.random(problem.layering.count)
    box = problem.neighborhood(other).box
    images = patterns.at(other)
    assert len(images) == 4
    assert all(box.contains(image) for image in images)
    margins = problem.margin(images)
    assert np.all(np.diff(margins) >= -1e-9 * np.abs(margins).max())


def test_the_oldest_pattern_is_dropped_first() -> None:
    """Margin ``1 - x`` of one pixel ``x``: patterns are shares of how far it may go."""
    ops = (Flatten(), Linear(np.array([[-1.0], [0.0]]), np.array([1.0, 0.0])))
    layering = Layering(np.zeros((1, 1), dtype=np.int16), 1)
    image = np.zeros((1, 1, 1))
    problem = problem_of(Network(ops, (1, 1, 1)), image, layering, Property(TopK(1), (0,), 2))
    patterns = WitnessPatterns(AttackContext(problem), remembered=2)
    for share in (0.25, 0.5, 0.75):
        patterns.learn(np.full((1, 1, 1), 0.4 * share), np.array([0.4]))
    images = patterns.at(np.array([0.8]))
    assert images.ravel().tolist() == pytest.approx([0.8 * 0.75, 0.8 * 0.5])
