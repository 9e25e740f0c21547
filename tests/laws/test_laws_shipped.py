"""Laws on the classifiers that ship: their size and geometry, beyond what enumeration reaches."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from attacks import pgd
from bounding import Bounding
from machines import ITERATIONS, SECONDS, cascade
from oracles import points

from mlspec.core import forward
from mlspec.core.deadline import Deadline
from mlspec.core.network import Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.verdict import Outcome
from mlspec.problem.layers import layers_around
from mlspec.problem.onnx_import import read_network
from mlspec.spec.assets import asset_dir

CLASSIFIERS = sorted((asset_dir("specs") / "classifiers").glob("*.onnx"))
QUICK_AND_SLOW = [
    pytest.param(path, marks=pytest.mark.slow) if path.stat().st_size > 100_000 else path
    for path in CLASSIFIERS
]
"""The large one takes a minute."""


@cache
def read(path: Path) -> Network:
    return read_network(path)


def problem_on(path: Path, seed: int) -> Problem:
    """Return a problem on a black image with two grey blobs, the left one the object."""
    network = read(path)
    rng = np.random.default_rng(seed)
    image = np.zeros(network.input_shape)
    mask = np.zeros(network.input_shape[1:], dtype=bool)
    for left in (8, 40):
        top = int(rng.integers(5, 40))
        blob = rng.random((16, 14)) * (rng.random((16, 14)) < 0.6)
        image[:, top : top + 16, left : left + 14] = blob
        mask[top : top + 16, left : left + 14] |= (blob > 0.0) & (left == 8)
    scores = forward.scores(network, image[None])[0]
    target = int(np.argsort(-scores)[1])
    layering = layers_around(mask, "l2", count=6)
    return Problem(
        network=network,
        image=image,
        object_mask=mask,
        layering=layering,
        property=Property(TopK(2), (target,), network.labels),
        weights=np.ones(6),
        label_names=tuple(map(str, range(network.labels))),
    )


RADII = (
    np.array([0.05, 0.0, 0.0, 0.0, 0.0, 0.0]),
    np.array([0.02, 0.02, 0.01, 0.01, 0.01, 0.01]),
    np.full(6, 0.1),
    np.ones(6),
)


@pytest.mark.parametrize("path", QUICK_AND_SLOW, ids=lambda path: path.stem)
@pytest.mark.parametrize("radius", range(len(RADII)))
def test_points_lie_within_bounds_and_no_margin_is_overrated(path: Path, radius: int) -> None:
    problem, eps = problem_on(path, radius), RADII[radius]
    box = problem.neighborhood(eps).box
    bounder = Bounding(problem.relaxed, problem.property, ITERATIONS)
    crown = bounder.crown(box)
    attack = pgd(problem, restarts=6, steps=8, seed=0)
    images = np.concatenate([points(box, np.random.default_rng(0), 10), attack.find(eps).images])
    weakest = problem.margin(images).min()
    for analysis in (bounder.interval(box), crown, bounder.alpha(crown)):
        assert analysis.margin <= weakest + 1e-9
        bounds = analysis.bounds()
        values = forward.values(problem.relaxed, images)
        ends = zip(values, bounds.lower, bounds.upper, strict=True)
        for number, (value, low, up) in enumerate(ends):
            slack = 1e-9 * (1.0 + np.abs(value))
            assert (value >= low - slack).all(), number
            assert (value <= up + slack).all(), number


@pytest.mark.slow
@pytest.mark.parametrize("path", CLASSIFIERS, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(6))
def test_verdicts_along_a_ray_never_contradict_each_other(path: Path, seed: int) -> None:
    """Robust below, violated above: one memory would raise on anything else."""
    problem = problem_on(path, seed)
    if problem.margin(problem.image[None])[0] <= 0.0:
        pytest.skip("the image itself violates")
    direction = np.random.default_rng(seed).random(6)
    direction /= direction.max()
    verifier = cascade(problem, restarts=16, steps=40, seconds=5.0)
    low, high = 0.0, 1.0
    for _ in range(8):
        middle = (low + high) / 2
        verdict = verifier.verify(middle * direction, Deadline.after(SECONDS))
        if verdict.outcome is Outcome.ROBUST:
            low = middle
        else:
            high = middle
    if low > 0.0:
        rng = np.random.default_rng(0)
        neighborhood = problem.neighborhood(low * direction)
        assert problem.margin(neighborhood.sample(rng, 2000)).min() > 0.0
        strong = pgd(problem, restarts=64, steps=200, seed=9)
        assert not strong.find(low * direction).violates
