"""The reader of the published folder format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlspec.data import open_dataset
from mlspec.errors import DataError


def save(folder: Path, name: str, index: int, image: NDArray[np.uint8]) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(folder / name / f"{index}_{name}.png")


def picture(*boxes: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    image = np.zeros((64, 64), np.uint8)
    for y0, x0, y1, x1 in boxes:
        image[y0:y1, x0:x1] = 200
    return image


LEFT, RIGHT = (30, 2, 50, 20), (5, 40, 25, 60)


def test_components_in_order_of_the_class_name(tmp_path: Path) -> None:
    save(tmp_path, "59", 0, picture(RIGHT, LEFT))
    sample = open_dataset("multi-mnist-folder", "test", tmp_path).sample(0)
    assert sample.labels == ("5", "9")
    assert sample.image.shape == (1, 64, 64)
    assert sample.image.max() == pytest.approx(200 / 255)
    for item, box in zip(sample.objects, (LEFT, RIGHT), strict=True):
        np.testing.assert_array_equal(item.mask, picture(box) > 0)


def test_order_is_by_class_then_number(tmp_path: Path) -> None:
    for name, index in (("10", 10), ("10", 9), ("09", 1)):
        save(tmp_path, name, index, picture(LEFT, RIGHT))
    (tmp_path / "10" / "notes.png").write_bytes(b"")
    dataset = open_dataset("multi-mnist-folder", "test", tmp_path)
    assert [file.name for file in dataset.files] == ["1_09.png", "9_10.png", "10_10.png"]  # type: ignore[attr-defined]


def test_split_folder_is_used_when_it_is_there(tmp_path: Path) -> None:
    save(tmp_path / "train", "12", 0, picture(LEFT, RIGHT))
    save(tmp_path / "test", "34", 0, picture(LEFT, RIGHT))
    labels = {
        split: open_dataset("multi-mnist-folder", split, tmp_path).sample(0).labels
        for split in ("train", "test")
    }
    assert labels == {"train": ("1", "2"), "test": ("3", "4")}


@pytest.mark.parametrize(
    "boxes",
    [[(10, 5, 30, 60)], [LEFT, RIGHT, (60, 60, 62, 62)], [(10, 5, 40, 60), (60, 60, 61, 61)]],
)
def test_unclear_components_give_no_masks(tmp_path: Path, boxes: list[tuple[int, ...]]) -> None:
    save(tmp_path, "59", 0, picture(*boxes))  # type: ignore[arg-type]
    sample = open_dataset("multi-mnist-folder", "test", tmp_path).sample(0)
    assert sample.labels == ("5", "9")
    with pytest.raises(DataError, match=r"0_59\.png.*component_at: \[y, x\]"):
        _ = sample.objects[1].mask


def test_index_out_of_range_says_how_many_there_are(tmp_path: Path) -> None:
    save(tmp_path, "59", 0, picture(LEFT, RIGHT))
    dataset = open_dataset("multi-mnist-folder", "test", tmp_path)
    for index in (-1, 1):
        with pytest.raises(DataError, match=rf"index {index} is out of range: .* holds 1 images"):
            dataset.sample(index)


def test_empty_folder_says_where_to_get_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"such as 59/0_59\.png"):
        open_dataset("multi-mnist-folder", "test", tmp_path)


def test_equal_digits_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "55", 0, picture(LEFT, RIGHT))
    with pytest.raises(DataError, match="must differ"):
        open_dataset("multi-mnist-folder", "test", tmp_path).sample(0)


def test_colour_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "59", 0, np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(DataError, match="expected a grey image"):
        open_dataset("multi-mnist-folder", "test", tmp_path).sample(0)


def test_published_examples(double_mnist_folder: Path) -> None:
    dataset = open_dataset("multi-mnist-folder", "test", double_mnist_folder)
    known = 0
    for index in range(len(dataset.files)):  # type: ignore[attr-defined]
        sample = dataset.sample(index)
        if sample.objects[0].region is None:
            continue
        known += 1
        left, right = (np.nonzero(item.mask)[1].mean() for item in sample.objects)
        assert left < 32 < right
    assert known == 18
