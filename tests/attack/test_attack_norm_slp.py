"""Norm SLP: shares never grow, and images stay inside and violating."""

from __future__ import annotations

import numpy as np
from attacks import pgd
from law import law
from random_ops import SMALL
from strategies import Question, questions

from mlspec.attack.context import AttackContext
from mlspec.attack.norm_slp import NormSlp
from mlspec.attack.path_boxes import Candidates, PathBoxes


@law(questions(SMALL, None), quick=60, deep=1000)
def test_shares_only_fall_and_images_go_on_violating(question: Question) -> None:
    problem, eps = question.problem, question.eps
    found = pgd(problem, 4, 8).find(eps)
    if not found.violates:
        return
    context = AttackContext(problem)
    boxes = PathBoxes(context, lambda shares: shares[:, None] * eps)
    images = found.images[found.margins <= 0.0]
    targets = context.closest_targets(images)
    start = boxes.violating(Candidates(images, np.ones(len(images)), targets))
    lower = NormSlp().descend(boxes, start, steps=12)
    assert (lower.shares <= 1.0).all()
    for image, share in zip(lower.images, lower.shares, strict=True):
        box = problem.neighborhood(share * eps).box
        assert (image >= box.lower).all()
        assert (image <= box.upper).all()
        assert problem.margin(image[None])[0] <= 0.0
