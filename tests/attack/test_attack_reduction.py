"""Reduced witnesses: they violate, and move no more than the path allows."""

from __future__ import annotations

import numpy as np
from attacks import pgd
from law import law
from random_ops import SMALL
from strategies import Question, questions

from mlspec.attack.reduction import WitnessReduction
from mlspec.core.network import Array


@law(questions(SMALL, None), quick=60, deep=1000)
def test_a_reduced_witness_violates_in_a_smaller_box_of_the_path(question: Question) -> None:
    problem, eps = question.problem, np.maximum(question.eps, 0.3)
    points = pgd(problem, restarts=8, steps=12, seed=0).find(eps)
    if not points.violates:
        return
    witness, extents = points.images[0], points.extents[0]

    def path(shares: Array) -> Array:
        return shares[:, None] * extents

    smaller = WitnessReduction().reduce(problem, witness, path)
    assert problem.margin(smaller[None])[0] <= 0.0
    after = problem.layering.extents(smaller - problem.image)
    assert (after <= extents + 1e-12).all()
    assert ((smaller >= 0.0) & (smaller <= 1.0)).all()
