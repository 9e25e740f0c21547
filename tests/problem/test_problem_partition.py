"""Partitions: every pixel that moves is in one part, and parts are what they are called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from law import law
from random_ops import Rng
from strategies import Mask, seeded

from mlspec import load_spec
from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Neighborhood
from mlspec.errors import SpecError
from mlspec.problem.layers import layers_around
from mlspec.problem.partition import Centre, partition
from mlspec.problem.resolve import Resolved, resolve
from mlspec.spec.layers import LayerCount, LayerGrid, LayerGroups, LayerPixels, Layers, LayerWhole


def random_scene(rng: Rng) -> tuple[list[Centre], Rng]:
    shape = tuple(rng.integers(2, 10, 2))
    centres = []
    for label in ("3", "9")[: rng.integers(1, 3)]:
        mask: Mask = rng.random(shape) < rng.choice([0.02, 0.2])
        mask.flat[int(rng.integers(mask.size))] = True
        centres.append(Centre(mask, label))
    return centres, rng


def of_every_kind(shape: tuple[int, ...], count: Any = "all") -> list[Layers]:
    return [
        LayerCount(count=count),
        LayerGrid(box=(2, min(3, shape[1])), split=None, count=count),
        LayerGrid(split=(shape[0], 2), box=None, count=count),
        LayerPixels(count=count),
        LayerWhole(),
    ]


@law(seeded(random_scene), quick=60, deep=2000)
def test_every_partition_covers_the_moving_pixels_and_numbers_its_parts(
    scene: tuple[list[Centre], Rng],
) -> None:
    centres, rng = scene
    shape = centres[0].mask.shape
    union = np.logical_or.reduce([centre.mask for centre in centres])
    depth = layers_around(union, "l1").index
    count = int(rng.integers(1, depth.max() + 2))
    for layers in of_every_kind(shape) + of_every_kind(shape, count):
        found = partition(layers, centres, "l1", each=False)
        moving = depth < getattr(layers, "count", 99) if _counted(layers) else depth >= 0
        np.testing.assert_array_equal(found.index != Layering.FIXED, moving)
        assert set(found.index[moving]) == set(range(found.layers))
        assert found.kind.name == layers.partition
        assert len(found.layer_names) == found.layers == len(set(found.layer_names))
        if found.kind.located:
            nearest = [depth[found.index == part].min() for part in range(found.layers)]
            assert nearest == sorted(nearest) == found.distance.tolist()


def _counted(layers: Layers) -> bool:
    return getattr(layers, "count", "all") != "all"


@law(seeded(random_scene), quick=40, deep=1000)
def test_names_say_which_pixels_a_part_has(scene: tuple[list[Centre], Rng]) -> None:
    centres, _ = scene
    for layers in of_every_kind(centres[0].mask.shape)[1:4]:
        found = partition(layers, centres, "linf", each=False)
        for part, name in enumerate(found.layer_names):
            spans = re.fullmatch(r"rows? (\d+)-?(\d*), columns? (\d+)-?(\d*)", name)
            assert spans is not None
            y0, y1, x0, x1 = spans.groups()
            named = np.zeros(found.index.shape, dtype=bool)
            named[int(y0) : int(y1 or y0) + 1, int(x0) : int(x1 or x0) + 1] = True
            np.testing.assert_array_equal(found.index == part, named)


@law(seeded(random_scene), quick=40, deep=1000)
def test_layers_of_each_object_hold_the_pixels_nearest_to_it(
    scene: tuple[list[Centre], Rng],
) -> None:
    centres, _ = scene
    depths = np.stack([layers_around(centre.mask, "linf").index for centre in centres])
    found = partition(LayerCount(), centres, "linf", each=True)
    for y, x in np.ndindex(*found.index.shape):
        owner = int(depths[:, y, x].argmin())  # the first one, if several are as near
        layer = found.index[y, x]
        name = f"{centres[owner].label}: layer {depths[owner, y, x]}"
        assert found.layer_names[layer] == name
        assert found.distance[layer] == depths[owner, y, x]
    groups = LayerGroups(groups=((0,),))
    merged = partition(groups, centres, "linf", each=True)
    np.testing.assert_array_equal(merged.index != Layering.FIXED, depths.min(axis=0) == 0)


@law(seeded(random_scene), quick=40, deep=1000)
def test_parts_with_one_epsilon_have_the_box_of_the_whole(scene: tuple[list[Centre], Rng]) -> None:
    """All refine the whole image; and the numbers of the parts change nothing."""
    centres, rng = scene
    image = rng.random((2, *centres[0].mask.shape))
    whole = partition(LayerWhole(), centres, "l2", each=False)
    for layers in of_every_kind(image.shape[1:]):
        found = partition(layers, centres, "l2", each=False)
        one = Neighborhood(image, found, np.full(found.count, 0.2)).box
        same = Neighborhood(image, whole, np.array([0.2])).box
        np.testing.assert_array_equal(one.lower, same.lower)
        np.testing.assert_array_equal(one.upper, same.upper)
        eps, order = rng.random(found.layers), rng.permutation(found.layers)
        renumbered = Layering(order[found.index], found.layers)
        moved = np.empty(found.layers)
        moved[order] = eps
        before = Neighborhood(image, found, eps).box
        after = Neighborhood(image, renumbered, moved).box
        np.testing.assert_array_equal(before.lower, after.lower)
        np.testing.assert_array_equal(before.upper, after.upper)


BOTH = [{"mask": "dataset", "index": 0}, {"mask": "dataset", "index": 1}]


def resolved(**changes: object) -> Resolved:
    spec = {f"{key.replace('__', '.')}": value for key, value in changes.items()}
    return resolve(load_spec("specs/none_img3.yaml", spec))


def test_layers_surround_what_the_spec_says() -> None:
    at_object, at_target = resolved(), resolved(around="target")
    assert (at_object.object_label, at_target.object_label) == ("3", "9")
    assert at_target.problem.property.targets == at_object.problem.property.targets
    other = resolved(object__index=1)
    np.testing.assert_array_equal(at_target.problem.object_mask, other.problem.object_mask)
    masks = at_object.problem.object_mask | at_target.problem.object_mask
    around_all = resolved(around="all")
    assert around_all.object_label == "3, 9"
    np.testing.assert_array_equal(around_all.problem.object_mask, masks)
    np.testing.assert_array_equal(around_all.problem.layering.index == 0, masks)
    several = resolved(object=BOTH, target="9")
    np.testing.assert_array_equal(several.problem.layering.index, around_all.problem.layering.index)
    each = resolved(object=BOTH, target="9", around="each", layers={"count": 2}).problem.layering
    assert each.layer_names == ("3: layer 0", "3: layer 1", "9: layer 0", "9: layer 1")
    np.testing.assert_array_equal(each.index == 2, at_target.problem.object_mask)


def test_weights_follow_the_distance_of_the_parts() -> None:
    pixels = resolved(layers="pixels", weights="inverse_square").problem
    expected = 1.0 / (1.0 + resolved().problem.layering.index) ** 2
    np.testing.assert_allclose(pixels.layering.spread(pixels.weights), expected)
    linear = resolved(layers={"box": [16, 16]}, weights="linear").problem
    assert linear.weights[0] == 1.0
    assert (np.diff(linear.weights) <= 0.0).all()
    assert linear.weights[-1] > 0.0
    directed = resolved(asymmetric=True, layers={"count": 3}, weights=[3, 2, 1]).problem
    assert directed.layering.radius_names == ("0 down", "0 up", "1 up", "2 up")
    np.testing.assert_array_equal(directed.weights, [3, 3, 2, 1])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("layers: {box: [65, 8]}", "layers.box: a box of 65 × 8 pixels is more than the image"),
        ("layers: {split: [4, 65]}", "layers.split: 4 × 65 boxes are more than the image holds"),
        ("layers: {partition: pixels, count: 50}", "layers.count: 50 layers do not exist"),
        ("layers: whole\nweights: [1, 2]", "weights: one weight per layer is needed, 1; got 2"),
        ("layers: {box: [32, 32]}\nweights: [1, 2]", "weights: 2 weights for 4 layers"),
        (f"object: {BOTH}", "target: auto finds no other object: give the label to keep"),
        (f"object: {BOTH}\naround: each\nlayers: pixels\ntarget: 9", "around: layers of its own"),
    ],
)
def test_mistakes_are_errors_in_their_place(lines: str, expected: str, tmp_path: Path) -> None:
    keys = {
        "classifier": "{onnx: specs/classifiers/none.onnx}",
        "image": "{dataset: double-digits, index: 3}",
        "object": "{mask: dataset}",
    }
    keys |= dict(line.split(": ", 1) for line in lines.splitlines())
    (tmp_path / "s.yaml").write_text("".join(f"{key}: {text}\n" for key, text in keys.items()))
    with pytest.raises(SpecError, match=re.escape(expected)):
        resolve(load_spec(tmp_path / "s.yaml"))


def test_an_image_file_has_no_masks_of_other_objects(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.zeros((64, 64)))
    (tmp_path / "s.yaml").write_text(
        "classifier: {onnx: specs/classifiers/none.onnx}\nimage: {file: image.npy}\n"
        "object: {box: [0, 0, 5, 5]}\naround: all\ntarget: 9\n"
    )
    with pytest.raises(SpecError, match=r":4:9: around: only a dataset knows the mask of 'all'"):
        resolve(load_spec(tmp_path / "s.yaml"))
