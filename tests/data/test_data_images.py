"""The user's own images and masks, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from mlspec.data import open_dataset, read_image, read_mask
from mlspec.errors import DataError

Reader = Callable[[Path], object]
readers = pytest.mark.parametrize("reader", [read_image, read_mask])


@given(pixels=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
@settings(max_examples=30, deadline=None)
def test_grey_png(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> None:
    file = tmp_path_factory.mktemp("images") / "grey.png"
    Image.fromarray(pixels).save(file)
    image = read_image(file)
    assert image.dtype == np.float64
    np.testing.assert_allclose(image, pixels[None] / 255.0)
    if pixels.any():
        np.testing.assert_array_equal(read_mask(file), pixels > 0)


def test_rgb_and_palette(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "rgb.png")
    image = read_image(tmp_path / "rgb.png")
    assert image.shape == (3, 4, 6)
    np.testing.assert_allclose(image[2], pixels[:, :, 2] / 255.0)
    flat = Image.new("RGB", (3, 2), (255, 0, 51)).convert("P", palette=Image.Palette.ADAPTIVE)
    flat.save(tmp_path / "palette.png")
    np.testing.assert_allclose(read_image(tmp_path / "palette.png")[:, 0, 0], [1.0, 0.0, 0.2])


def test_black_and_white_and_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_image(tmp_path / "bits.png"), [[[1.0, 0.0]]])
    Image.fromarray(np.array([[0, 65535, 6553]], np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_image(tmp_path / "deep.png"), [[[0.0, 1.0, 0.1]]], atol=1e-4)


def test_scene_survives_a_png(tmp_path: Path) -> None:
    image = open_dataset("double-digits", "test").sample(3).image
    Image.fromarray(np.round(image[0] * 255).astype(np.uint8)).save(tmp_path / "scene.png")
    np.testing.assert_array_equal(read_image(tmp_path / "scene.png"), image)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5]]), [[[0.0, 0.5]]]),
        (np.array([[[0.0, 0.25]]], np.float32), [[[0.0, 0.25]]]),
        (np.array([[0, 255]], np.uint8), [[[0.0, 1.0]]]),
        (np.array([[False, True]]), [[[0.0, 1.0]]]),
    ],
)
def test_arrays(tmp_path: Path, values: np.ndarray, expected: list[list[list[float]]]) -> None:
    np.save(tmp_path / "image.npy", values)
    np.testing.assert_array_equal(read_image(tmp_path / "image.npy"), expected)
    np.testing.assert_array_equal(read_mask(tmp_path / "image.npy"), np.array(expected)[0] > 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0.0, 1.5]]), r"values from 0 to 1\.5, expected \[0, 1\]"),
        (np.array([[0.0, np.nan]]), r"holds NaN or infinite values, expected \[0, 1\]"),
        (np.zeros(5), r"shape \(5,\), expected \(H, W\)"),
        (np.zeros((1, 2, 4, 4)), r"shape \(1, 2, 4, 4\), expected"),
        (np.zeros((1, 0, 4)), r"shape \(1, 0, 4\), expected"),
        (np.zeros((4, 4), np.int64), "type int64, expected floats"),
        (np.array([["a"]]), "type <U1, expected floats"),
    ],
)
def test_odd_arrays_are_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "odd.npy", values)
    with pytest.raises(DataError, match=rf"odd\.npy: {message}"):
        read_image(tmp_path / "odd.npy")


@readers
def test_missing_and_unreadable_files_are_named(reader: Reader, tmp_path: Path) -> None:
    for suffix in ("png", "npy"):
        with pytest.raises(DataError, match=rf"none\.{suffix}: no such file"):
            reader(tmp_path / f"none.{suffix}")
        (tmp_path / f"text.{suffix}").write_text("no picture")
        with pytest.raises(DataError, match=rf"text\.{suffix}: "):
            reader(tmp_path / f"text.{suffix}")
        (tmp_path / f"empty.{suffix}").touch()
        with pytest.raises(DataError, match=rf"empty\.{suffix}: "):
            reader(tmp_path / f"empty.{suffix}")
        (tmp_path / f"folder.{suffix}").mkdir()
        with pytest.raises(DataError, match=rf"folder\.{suffix}: a folder"):
            reader(tmp_path / f"folder.{suffix}")


@readers
@given(length=st.integers(9, 60))
@settings(max_examples=20, deadline=None)
def test_a_png_cut_short_is_refused(
    reader: Reader, tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    file = tmp_path_factory.mktemp("cut") / "cut.png"
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(DataError, match=r"cut\.png: "):
        reader(file)


@readers
def test_archives_pickles_and_transparency_are_refused(reader: Reader, tmp_path: Path) -> None:
    with (tmp_path / "archive.npy").open("wb") as stream:
        np.savez(stream, a=np.zeros((2, 2)))
    with pytest.raises(DataError, match="several arrays"):
        reader(tmp_path / "archive.npy")
    np.save(tmp_path / "objects.npy", np.array([[object()]]), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read as a NumPy array"):
        reader(tmp_path / "objects.npy")
    Image.new("RGBA", (2, 2)).save(tmp_path / "glass.png")
    with pytest.raises(DataError, match=r"pixel mode RGBA.*without transparency"):
        reader(tmp_path / "glass.png")


def test_masks_from_numbers_of_objects_and_empty_masks(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.array([[0, 2], [-1, 0]]))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.npy"), [[False, True], [True, False]])
    np.save(tmp_path / "deep.npy", np.zeros((3, 4, 4), np.bool_))
    with pytest.raises(DataError, match=r"shape \(3, 4, 4\), expected \(H, W\)"):
        read_mask(tmp_path / "deep.npy")
    Image.new("L", (3, 3)).save(tmp_path / "black.png")
    with pytest.raises(DataError, match=r"black\.png: the mask is empty"):
        read_mask(tmp_path / "black.png")


def test_an_array_may_have_any_number_of_channels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((5, 3, 4))
    np.save(tmp_path / "five.npy", pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "five.npy"), pixels)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (8192, 4096)).save(path)
    with pytest.raises(DataError, match=r"8192 x 4096 pixels, at most 16,777,216 are read"):
        read_image(path)
