"""Random cases: networks of every op and odd geometries, images, layerings, radii, properties.

A strategy draws one seed, and plain functions make the case from it: cases spread evenly over all
choices, where drawing choice by choice would repeat the simplest ones. What they aim at is what
breaks verifiers: whole numbers (exact ties, bounds of exactly zero), dead units, mixed scales,
undecided units around the image, black and white pixels (clipped boxes), windows that overlap or
leave a rim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray
from random_networks import random_network
from random_ops import SMALL, TINY, Rng, Size, T, one_of, pair

from mlspec.core import forward
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network, Shape
from mlspec.core.problem import Problem
from mlspec.core.property import DecisionRule, Property, Threshold, TopK


@dataclass(frozen=True, eq=False)
class Question:
    """A problem and a radius ``(K,)``."""

    problem: Problem
    eps: Array


def seeded(make: Callable[[Rng], T]) -> SearchStrategy[T]:
    """Return the strategy of everything that ``make`` returns."""
    return st.integers(0, 2**32 - 1).map(lambda seed: make(np.random.default_rng(seed)))


def networks(size: Size = SMALL) -> SearchStrategy[Network]:
    """Networks alone."""
    return seeded(lambda rng: random_network(rng, size, random_image(rng, image_shape(rng, size))))


def problems(
    size: Size = TINY, moving: int | None = 6, targets: int = 2
) -> SearchStrategy[Problem]:
    """Problems with at most ``moving`` moving values (None: any), up to ``targets`` targets."""
    return seeded(lambda rng: random_problem(rng, size, moving, targets))


def questions(
    size: Size = TINY, moving: int | None = 6, targets: int = 2
) -> SearchStrategy[Question]:
    """Problems with a radius."""

    def make(rng: Rng) -> Question:
        problem = random_problem(rng, size, moving, targets)
        return Question(problem, random_radius(rng, problem.layering.count))

    return seeded(make)


def random_problem(rng: Rng, size: Size, moving: int | None, targets: int = 2) -> Problem:
    """Return a problem; its targets are mostly predicted labels."""
    image = random_image(rng, image_shape(rng, size))
    network = random_network(rng, size, image)
    channels, height, width = image.shape
    most = height * width if moving is None else max(1, moving // channels)
    layering = random_layering(rng, _by_influence(rng, network, image), most)
    scores = forward.scores(network, image[None])[0]
    return problem_of(network, image, layering, random_property(rng, scores, targets))


def problem_of(network: Network, image: Array, layering: Layering, property_: Property) -> Problem:
    """Return the problem; all layers weigh the same."""
    mask = np.asarray(layering.index == 0)
    return Problem(
        network=network,
        image=image,
        object_mask=mask,
        layering=layering,
        property=property_,
        weights=np.ones(layering.count),
        label_names=tuple(str(label) for label in range(network.labels)),
    )


def image_shape(rng: Rng, size: Size) -> Shape:
    """Return ``(C, H, W)``."""
    return (int(rng.integers(1, 3)), *pair(rng, 1 + size.image // 2, size.image))


def random_image(rng: Rng, shape: Shape) -> Array:
    """Return grey noise, black and white, all black, or a mixture of noise and extremes."""
    noise = rng.random(shape)
    extremes = np.round(noise)
    mixture = np.where(rng.random(shape) < 0.5, extremes, noise)
    return one_of(rng, (noise, extremes, np.zeros(shape), mixture, mixture))


def random_layering(rng: Rng, order: NDArray[np.int64], moving: int) -> Layering:
    """Return 1 to 3 layers over the first ``moving`` pixels of ``order`` ``(H, W)``."""
    count = int(rng.integers(1, 4))
    index = rng.integers(0, count, order.shape)
    index[order >= max(1, int(moving * rng.uniform(0.6, 1.01)))] = Layering.FIXED
    return Layering(index.astype(np.int16), count)


def _by_influence(rng: Rng, network: Network, image: Array) -> NDArray[np.int64]:
    """Return a number for each pixel ``(H, W)``, random, but lower where it moves the scores."""
    height, width = image.shape[1:]
    moved = np.repeat(image[None], height * width, axis=0)
    for number, (y, x) in enumerate(np.ndindex(height, width)):
        moved[number, :, y, x] = np.where(image[:, y, x] < 0.5, 0.9, 0.1)
    change = np.abs(forward.scores(network, moved) - forward.scores(network, image[None])).max(
        axis=1
    )
    order = np.argsort((change == 0.0) + rng.random(height * width) * 0.9)
    return np.argsort(order).reshape(height, width)


def random_radius(rng: Rng, count: int) -> Array:
    """Return ``(count,)`` in [0, 1], mostly of one scale; now and then zero, tiny or everything."""
    radius = np.full(count, one_of(rng, (0.02, 0.1, 0.3, 0.6, 1.0)))
    if rng.random() < 0.6:
        return np.asarray(radius * rng.random(count))
    odd = rng.random(count) < 0.3
    radius[odd] = rng.choice([0.0, 1e-9, 1e-6, 0.5, 1.0], int(odd.sum()))
    return radius


def random_rule(rng: Rng, scores: Array) -> DecisionRule:
    """Return a decision rule; thresholds lie near the clean scores ``(M,)``."""
    if rng.random() < 0.2:
        return Threshold(tuple((scores - one_of(rng, (0.1, 0.1, 1.0, 0.0))).tolist()))
    return TopK(int(rng.integers(1, min(3, len(scores) - 1) + 1)))


def random_property(rng: Rng, scores: Array, targets: int) -> Property:
    """Return a property of which the clean ``scores`` ``(M,)`` mostly satisfy every claim."""
    rule = random_rule(rng, scores)
    best = np.argsort(-scores)
    predicted = rule.k if isinstance(rule, TopK) else len(scores)
    pool = best if rng.random() < 0.1 else best[:predicted]
    chosen = rng.permutation(pool)[: rng.integers(1, targets + 1)]
    return Property(rule, tuple(int(label) for label in chosen), len(scores))


Mask = NDArray[np.bool_]


def masks() -> SearchStrategy[Mask]:
    """Object masks ``(H, W)`` with at least one pixel."""

    def make(rng: Rng) -> Mask:
        mask = rng.random(pair(rng, 1, 9)) < one_of(rng, (0.02, 0.1, 0.5, 1.0))
        mask.flat[int(rng.integers(mask.size))] = True
        return np.asarray(mask)

    return seeded(make)
