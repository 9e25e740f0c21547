"""Composed scenes: what is drawn, that it is always the same, and that the splits share nothing."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.data import DIGIT_LABELS, open_dataset
from mlspec.data.canvas import Composition, Layout
from mlspec.data.digits import digit_pool
from mlspec.data.pool import DigitPool
from mlspec.errors import DataError

LAYOUTS = {"double-digits": Layout.double(), "triple-digits": Layout.triple()}
scenes = pytest.mark.parametrize("name", LAYOUTS)
splits = st.sampled_from(["train", "test"])
indices = st.integers(0, 2**40)


@scenes
@given(split=splits, index=indices)
@settings(max_examples=60, deadline=None)
def test_scene_shows_each_digit_in_its_strip(name: str, split: str, index: int) -> None:
    layout = LAYOUTS[name]
    sample = open_dataset(name, split).sample(index)
    assert sample.image.shape == (1, layout.height, layout.width)
    assert sample.image.dtype == np.float64
    assert sample.image.min() == 0.0
    assert 0.9 < sample.image.max() <= 1.0
    assert len(set(sample.labels)) == layout.digits == len(sample.objects)
    assert set(sample.labels) <= set(DIGIT_LABELS)
    for position, item in enumerate(sample.objects):
        assert item.mask.shape == sample.image.shape[1:]
        assert item.mask.dtype == np.bool_
        columns = np.flatnonzero(item.mask.any(axis=0))
        assert position * layout.strip <= columns.min()
        assert columns.max() < (position + 1) * layout.strip


@scenes
@given(split=splits, index=indices)
@settings(max_examples=60, deadline=None)
def test_masks_are_exactly_the_bright_pixels(name: str, split: str, index: int) -> None:
    sample = open_dataset(name, split).sample(index)
    together = np.sum([item.mask for item in sample.objects], axis=0)
    np.testing.assert_array_equal(together, sample.image[0] > 0.0)


@scenes
@given(split=splits, index=indices)
@settings(max_examples=30, deadline=None)
def test_scene_is_cut_from_the_pool(name: str, split: str, index: int) -> None:
    dataset = open_dataset(name, split)
    assert isinstance(dataset, Composition)
    sample = dataset.sample(index)
    for place, item in zip(dataset.placements(index), sample.objects, strict=True):
        box = sample.image[
            0, place.top : place.top + DigitPool.side, place.left : place.left + DigitPool.side
        ]
        np.testing.assert_array_equal(box, dataset.pool.images[place.member])
        assert item.label == str(dataset.pool.classes[place.member])


@given(index=indices)
@settings(max_examples=30, deadline=None)
def test_same_index_same_scene_however_often(index: int) -> None:
    first = open_dataset("double-digits", "test").sample(index)
    dataset = open_dataset("double-digits", "test")
    dataset.sample(index + 1)
    again = dataset.sample(index)
    assert first.labels == again.labels
    np.testing.assert_array_equal(first.image, again.image)


def test_same_scene_in_another_process() -> None:
    code = (
        "from mlspec.data import open_dataset\n"
        "print(open_dataset('double-digits', 'test').placements(3))"
    )
    root = Path(__file__).parents[2]
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    here = open_dataset("double-digits", "test")
    assert isinstance(here, Composition)
    assert elsewhere.stdout.strip() == str(here.placements(3))


def test_global_seed_is_neither_used_nor_touched() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    open_dataset("double-digits", "train").sample(11)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_scenes_of_names_splits_and_indices_differ() -> None:
    images = [
        open_dataset("double-digits", split).sample(index).image.tobytes()
        for split in ("train", "test")
        for index in range(50)
    ]
    assert len(set(images)) == 100


def test_scene_three_of_the_shipped_specs() -> None:
    sample = open_dataset("double-digits", "test").sample(3)
    assert sample.labels == ("3", "9")
    levels = np.round(sample.image * 255).astype(np.uint8)
    assert hashlib.sha256(levels.tobytes()).hexdigest()[:16] == "5a85d75802ce614a"


def test_pools_are_disjoint_and_complete() -> None:
    train, test = digit_pool("train"), digit_pool("test")
    assert len(train.images) + len(test.images) == 1797
    assert len(test.images) == pytest.approx(1797 / 5, abs=10)
    of_train = {image.tobytes() for image in train.images}
    of_test = {image.tobytes() for image in test.images}
    assert not of_train & of_test
    for pool in (train, test):
        assert np.bincount(pool.classes).min() >= len(pool.images) / 12


def test_digits_survive_eight_bits_and_keep_a_clean_background() -> None:
    images = digit_pool("test").images
    levels = images * 255.0
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-9)
    assert 0.25 < (images > 0.0).mean() < 0.5
    assert images.reshape(len(images), -1).max(axis=1).min() > 0.9


def test_all_classes_and_places_occur() -> None:
    dataset = open_dataset("double-digits", "train")
    assert isinstance(dataset, Composition)
    places = [place for index in range(600) for place in dataset.placements(index)]
    assert set(dataset.pool.classes[[place.member for place in places]]) == set(range(10))
    assert {place.top for place in places} == set(range(37))
    assert {place.left for place in places} == {*range(5), *range(32, 37)}


def test_images_cannot_be_written_to() -> None:
    sample = open_dataset("double-digits", "test").sample(0)
    with pytest.raises(ValueError, match="read-only"):
        sample.image[0, 0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        sample.objects[0].mask[0, 0] = True


def test_any_layout_composes() -> None:
    layout = Layout(digits=5, height=28, strip=30)
    sample = Composition("five", "test", layout, digit_pool("test")).sample(0)
    assert sample.image.shape == (1, 28, 150)
    assert len(set(sample.labels)) == 5


def test_negative_index_is_refused() -> None:
    with pytest.raises(DataError, match="-1 is negative"):
        open_dataset("double-digits", "test").sample(-1)
