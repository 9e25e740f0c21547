"""Sharpening: never larger, always inside and violating, exact where margins are linear."""

from __future__ import annotations

import numpy as np
import torch
from law import law
from strategies import SMALL, Question, questions

from mlspec.attack.falling import Members, Way
from mlspec.attack.goals import closest
from mlspec.attack.pgd import PgdAttack
from mlspec.attack.sharpen import sharpened
from mlspec.core.deadline import NEVER
from mlspec.tensors import TensorNetwork


@law(questions(SMALL, None), quick=60, deep=1000)
def test_shares_only_fall_and_images_go_on_violating(question: Question) -> None:
    problem, eps = question.problem, question.eps
    found = PgdAttack(problem, 4, 8, 0).find(eps)
    if not found.violates:
        return
    way = Way(problem, lambda shares: shares[:, None] * eps)
    images = found.images[found.margins <= 0.0]
    members = way.violating(Members(images, np.ones(len(images)), closest(problem, images)))
    network = TensorNetwork(problem.relaxed, torch.float64)
    sharper = sharpened(way, network, members, 12, NEVER)
    assert (sharper.shares <= 1.0).all()
    for image, share in zip(sharper.images, sharper.shares, strict=True):
        box = problem.neighborhood(share * eps).box
        assert (image >= box.lower).all()
        assert (image <= box.upper).all()
        assert problem.margin(image[None])[0] <= 0.0
