"""Attacks keep their deadlines, on a shipped classifier of 64×64 pixels, and return what is sound.

Seconds of grace are many times what a quiet machine needs: a step or a replay, below 0.2 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
from attacks import fmn, pgd

from mlspec import load_spec, run
from mlspec.attack.reduction import WitnessReduction
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import EpsPath
from mlspec.tensors import single_threaded

GRACE = 2.0
SECONDS = (-1.0, 0.1, 0.6)
T = TypeVar("T")


@pytest.fixture(scope="module")
def problem() -> Problem:
    return run.prepare(load_spec("specs/pgd_img3.yaml")).problem


def everywhere(problem: Problem, eps: float) -> Array:
    return np.full(problem.layering.count, eps)


def along(problem: Problem) -> EpsPath:
    return lambda shares: shares[:, None] * everywhere(problem, 1.0)


def in_time(attack: Callable[[Deadline], T], seconds: float) -> T:
    """Return what an attack that would take minutes returns by a deadline ``seconds`` ahead."""
    attack(Deadline.after(-1.0))
    began = time.monotonic()
    with single_threaded():
        found = attack(Deadline(began + seconds))
    assert time.monotonic() - began <= max(seconds, 0.0) + GRACE
    return found


@pytest.mark.parametrize("seconds", SECONDS)
def test_pgd_returns_the_weakest_points_by_then(problem: Problem, seconds: float) -> None:
    eps = everywhere(problem, 0.02)
    attack = pgd(problem, restarts=32, steps=20_000, seed=0)
    found = in_time(lambda deadline: attack.find(eps, deadline=deadline), seconds)
    centre = problem.margin(problem.image[None])[0]
    assert found.margins[0] <= centre
    assert found.slopes.shape == found.extents.shape == (len(found.margins), len(eps))
    assert found.margins.tolist() == [problem.margin(image[None])[0] for image in found.images]
    assert all(problem.neighborhood(eps).box.contains(image) for image in found.images)
    if seconds < 0.0:
        np.testing.assert_array_equal(found.images, problem.image[None])
    else:
        assert found.margins[0] < centre


@pytest.mark.parametrize("seconds", SECONDS)
def test_the_minimum_norm_attack_returns_the_nearest_violation_by_then(
    problem: Problem, seconds: float
) -> None:
    known = problem.neighborhood(everywhere(problem, 0.2)).box
    attack = pgd(problem, restarts=8, steps=20, seed=0)
    witness = attack.find(everywhere(problem, 0.2)).images[0]
    assert problem.margin(witness[None])[0] <= 0.0
    assert known.contains(witness)
    attack = fmn(problem, restarts=32, rounds=1_000)
    path = along(problem)
    found = in_time(lambda deadline: attack.find(path, [witness], deadline), seconds)
    assert found is not None
    assert found.share <= 0.2 + 1e-9
    assert problem.margin(found.image[None])[0] <= 0.0
    assert problem.neighborhood(everywhere(problem, found.share)).box.contains(found.image)


@pytest.mark.parametrize("seconds", SECONDS)
def test_a_witness_is_reduced_as_far_as_there_is_time(problem: Problem, seconds: float) -> None:
    eps = everywhere(problem, 0.2)
    witness = pgd(problem, restarts=8, steps=20, seed=0).find(eps).images[0]
    path = along(problem)
    found = in_time(
        lambda deadline: WitnessReduction().reduce(problem, witness, path, deadline), seconds
    )
    assert problem.margin(found[None])[0] <= 0.0
    if seconds < 0.0:
        np.testing.assert_array_equal(found, witness)


@pytest.mark.parametrize("seconds", SECONDS)
def test_a_violation_is_made_clearer_as_far_as_there_is_time(
    problem: Problem, seconds: float
) -> None:
    eps = everywhere(problem, 0.2)
    attack = pgd(problem, restarts=8, steps=20, seed=0)
    witness = attack.find(eps).images[0]
    found = in_time(lambda deadline: attack.deepened(witness, eps, deadline), seconds)
    assert problem.margin(found[None])[0] <= problem.margin(witness[None])[0]
    if seconds < 0.0:
        np.testing.assert_array_equal(found, witness)
