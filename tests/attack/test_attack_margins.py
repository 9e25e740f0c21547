"""Margins in torch are those of numpy, and target subsets what a violation needs."""

from __future__ import annotations

import math

import numpy as np
import torch
from law import law
from random_ops import Rng, one_of
from strategies import seeded

from mlspec.attack.margins import TargetSubsets, property_margin, smooth_maximum
from mlspec.core.network import Array
from mlspec.core.property import Property, Threshold, TopK


def scored_property(rng: Rng) -> tuple[Property, Array]:
    """Return a property of one or several targets, and scores ``(B, M)``, some of them tied."""
    labels = int(rng.integers(2, 7))
    rule = one_of(rng, (TopK(int(rng.integers(1, labels))), Threshold((0.25,) * labels)))
    targets = rng.permutation(labels)[: int(rng.integers(1, labels + 1))]
    scores = one_of(rng, (rng.normal(size=(9, labels)), rng.integers(-1, 2, (9, labels)) + 0.0))
    return Property(rule, tuple(targets.tolist()), labels), scores


@law(seeded(scored_property), quick=60, deep=600)
def test_a_propertys_margin_is_that_of_numpy(case: tuple[Property, Array]) -> None:
    property_, scores = case
    found = property_margin(property_, torch.tensor(scores))
    np.testing.assert_allclose(found.numpy(), property_.margin(scores), atol=1e-12)


@law(seeded(scored_property), quick=60, deep=600)
def test_the_closest_subset_attains_the_propertys_margin(case: tuple[Property, Array]) -> None:
    property_, scores = case
    closest = TargetSubsets.closest(property_, scores)
    largest = closest.margins(torch.tensor(scores)).amax(1)
    np.testing.assert_allclose(largest.numpy(), property_.margin(scores), atol=1e-12)


@law(seeded(scored_property), quick=60, deep=600)
def test_the_likely_subsets_are_all_of_the_smallest_margins(case: tuple[Property, Array]) -> None:
    property_, scores = case
    k, count = property_.claims[0].k, len(property_.claims[0].rows)
    for extra in range(count - k + 2):
        likely = TargetSubsets.likely(property_, scores[0], extra)
        subsets = math.comb(min(k + extra, count), k) * len(property_.claims)
        assert len(likely) == len(likely.distinct()) == subsets
        tiled = torch.tensor(scores[:1]).expand(len(likely), -1)
        least = float(likely.margins(tiled).amax(1).min())
        assert abs(least - property_.margin(scores[:1])[0]) <= 1e-12


def test_the_smooth_maximum_is_little_above_the_largest_margin() -> None:
    margins = torch.tensor([[1.0, 3.0, 3.0], [-2.0, -5.0, 0.0]])
    above = smooth_maximum(margins, 0.1) - margins.amax(1)
    assert bool((above >= 0.0).all())
    assert bool((above <= 0.1 * math.log(3) + 1e-6).all())
