"""Layers: distances by the definition, pixel by pixel; counts, groups, mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from law import law
from plain import plain_layers
from strategies import Mask, masks

from mlspec.core.layering import Layering
from mlspec.problem.layers import layers_around

NORMS = ("l1", "l2", "linf")


@law(masks(), quick=150, deep=5000)
def test_every_pixel_lies_in_the_layer_of_its_distance(mask: Mask) -> None:
    for norm in NORMS:
        layering = layers_around(mask, norm)
        np.testing.assert_array_equal(layering.index, plain_layers(mask, norm))
        assert layering.count == layering.index.max() + 1
        assert (layering.index == 0).tolist() == mask.tolist()
        assert layering.pixels.sum() == mask.size
        assert (layering.pixels > 0).all()


@law(masks(), quick=60, deep=2000)
def test_a_count_keeps_the_first_layers_and_fixes_the_rest(mask: Mask) -> None:
    for norm in NORMS:
        whole = layers_around(mask, norm)
        for count in range(1, whole.count + 1):
            some = layers_around(mask, norm, count=count)
            kept = whole.index < count
            assert some.count == count
            assert (some.index[kept] == whole.index[kept]).all()
            assert (some.index[~kept] == Layering.FIXED).all()
        with pytest.raises(ValueError, match=str(whole.count + 1)):
            layers_around(mask, norm, count=whole.count + 1)


@law(masks(), quick=60, deep=2000)
def test_groups_merge_layers_and_fix_the_others(mask: Mask) -> None:
    for norm in NORMS:
        whole = layers_around(mask, norm)
        numbers = np.random.default_rng(whole.count).permutation(whole.count).tolist()
        groups = [group for group in (numbers[::3], numbers[1::3]) if group]
        merged = layers_around(mask, norm, groups=groups)
        assert merged.count == len(groups)
        for y, x in np.ndindex(*mask.shape):
            expected = [n for n, group in enumerate(groups) if whole.index[y, x] in group]
            assert merged.index[y, x] == (expected[0] if expected else Layering.FIXED)


def test_the_l2_layer_d_holds_the_distances_above_d_minus_1_up_to_d() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[0, 0] = True
    index = layers_around(mask, "l2").index
    assert index[0, 5] == 5
    assert index[3, 4] == 5
    assert index[1, 1] == 2
    assert index[4, 4] == 6
    assert index[1, 5] == 6
    assert index[7, 7] == 10


def test_whole_distances_far_away_are_not_rounded_up() -> None:
    """Pythagorean triples: the root must not land a hair above the whole number."""
    mask = np.zeros((121, 161), dtype=bool)
    mask[0, 0] = True
    index = layers_around(mask, "l2").index
    for y, x, distance in (
        (3, 4, 5),
        (60, 80, 100),
        (120, 160, 200),
        (28, 45, 53),
        (119, 120, 169),
    ):
        assert index[y, x] == distance


def test_an_object_that_fills_the_image_is_one_layer() -> None:
    for norm in NORMS:
        layering = layers_around(np.ones((3, 5), dtype=bool), norm)
        assert layering.count == 1
        assert (layering.index == 0).all()


def test_several_parts_of_one_object_share_their_layers() -> None:
    mask = np.zeros((1, 9), dtype=bool)
    mask[0, [0, 8]] = True
    for norm in NORMS:
        assert layers_around(mask, norm).index.tolist() == [[0, 1, 2, 3, 4, 3, 2, 1, 0]]


def test_mistakes_are_refused() -> None:
    mask = np.zeros((3, 3), dtype=bool)
    with pytest.raises(ValueError, match="empty"):
        layers_around(mask, "l1")
    mask[1, 1] = True
    with pytest.raises(ValueError, match="l7"):
        layers_around(mask, "l7")
    with pytest.raises(ValueError, match="layer 3"):
        layers_around(mask, "l1", groups=[[0], [3]])
    with pytest.raises(ValueError, match="-1"):
        layers_around(mask, "l1", groups=[[0], [-1]])
    with pytest.raises(ValueError, match="twice"):
        layers_around(mask, "l1", groups=[[0, 1], [1]])
    for count in (0, -1):
        with pytest.raises(ValueError, match=str(count)):
            layers_around(mask, "l1", count=count)
