"""The scene of a spec: image, object and labels, from a dataset or from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlspec import load_spec
from mlspec.data import open_dataset
from mlspec.errors import SpecError
from mlspec.problem.scene import Scene, label_of, scene_of, union_of

DATASET = "{dataset: double-digits, index: 3}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scene(object_: str, image: str = DATASET) -> Scene:
    text = f"classifier: {{onnx: net.onnx}}\nimage: {image}\nobject: {object_}\n"
    Path("s.yaml").write_text(text)
    return scene_of(load_spec("s.yaml"))


def complaint(object_: str, image: str = DATASET) -> str:
    with pytest.raises(SpecError) as caught:
        scene(object_, image)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("index", [0, 1])
def test_an_object_of_a_dataset_is_chosen_by_number_or_label(index: int, folder: Path) -> None:
    sample = open_dataset("double-digits", "test").sample(3)
    by_number = scene(f"{{mask: dataset, index: {index}}}")
    by_label = scene(f"{{mask: dataset, label: '{sample.labels[index]}'}}")
    for found in (by_number, by_label):
        np.testing.assert_array_equal(found.image, sample.image)
        np.testing.assert_array_equal(union_of(found.perturbed), sample.objects[index].mask)
        assert found.labels == sample.labels
        assert label_of(found.perturbed) == sample.labels[index]


def test_the_first_object_is_the_default(folder: Path) -> None:
    first, default = scene("{mask: dataset, index: 0}"), scene("{mask: dataset}")
    np.testing.assert_array_equal(union_of(default.perturbed), union_of(first.perturbed))
    assert label_of(default.perturbed) == label_of(first.perturbed)


def test_a_box_holds_its_first_and_not_its_last_row_and_column(folder: Path) -> None:
    mask = union_of(scene("{box: [2, 3, 5, 7]}").perturbed)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 4, 3, 6)
    assert mask.sum() == 3 * 4


def test_a_box_may_be_the_whole_image(folder: Path) -> None:
    assert union_of(scene("{box: [0, 0, 64, 64]}").perturbed).all()


def test_a_component_is_what_hangs_together_also_over_corners(folder: Path) -> None:
    pixels = np.zeros((6, 6), dtype=np.uint8)
    pixels[1, 1] = pixels[2, 2] = pixels[3, 3] = 200
    pixels[5, 0] = 255
    pixels[1, 2] = int(0.1 * 255) - 1
    Image.fromarray(pixels).save("net.png")
    mask = union_of(scene("{component_at: [2, 2]}", "{file: net.png}").perturbed)
    assert np.argwhere(mask).tolist() == [[1, 1], [2, 2], [3, 3]]


def test_the_component_of_a_digit_lies_in_the_digit(folder: Path) -> None:
    digit = scene("{mask: dataset}")
    y, x = np.unravel_index(
        np.argmax(np.where(union_of(digit.perturbed), digit.image[0], 0.0)), (64, 64)
    )
    component = scene(f"{{component_at: [{y}, {x}]}}")
    assert union_of(component.perturbed)[y, x]
    assert not union_of(component.perturbed)[~union_of(digit.perturbed)].any()
    assert label_of(component.perturbed) == label_of(digit.perturbed)


def test_a_mask_file_marks_what_is_not_black(folder: Path) -> None:
    pixels = np.zeros((64, 64), dtype=np.uint8)
    pixels[10, 20], pixels[11, 21] = 1, 255
    Image.fromarray(pixels).save("mask.png")
    np.save("mask.npy", pixels > 0)
    for name in ("mask.png", "mask.npy"):
        np.testing.assert_array_equal(union_of(scene(f"{{file: {name}}}").perturbed), pixels > 0)


def test_files_are_looked_for_beside_the_spec(folder: Path) -> None:
    (folder / "deep").mkdir()
    Image.fromarray(np.full((4, 5), 255, dtype=np.uint8)).save(folder / "deep" / "white.png")
    (folder / "deep" / "s.yaml").write_text(
        "classifier: {onnx: net.onnx}\nimage: {file: white.png}\nobject: {file: white.png}\n"
    )
    found = scene_of(load_spec("deep/s.yaml"))
    assert found.image.shape == (1, 4, 5)
    assert union_of(found.perturbed).all()


def test_an_image_file_has_no_labels(folder: Path) -> None:
    Image.fromarray(np.full((4, 5, 3), 255, dtype=np.uint8)).save("white.png")
    found = scene("{box: [0, 0, 1, 1]}", "{file: white.png}")
    assert found.image.shape == (3, 4, 5)
    assert (found.labels, label_of(found.perturbed)) == ((), "")


def test_a_mask_over_two_objects_has_no_label(folder: Path) -> None:
    assert label_of(scene("{box: [0, 0, 64, 64]}").perturbed) == ""


@pytest.mark.parametrize(
    ("object_", "expected"),
    [
        ("{file: none.png}", "s.yaml:3:16: object.file: no such file: none.png"),
        ("{file: .}", "s.yaml:3:16: object.file: .: a folder"),
        ("{box: [0, 0, 65, 1]}", "s.yaml:3:15: object.box: [0, 0, 65, 1] leaves the image"),
        ("{component_at: [0, 64]}", "s.yaml:3:24: object.component_at: [0, 64] lies outside"),
        ("{mask: dataset, index: 2}", "s.yaml:3:32: object.index: there is no object 2"),
        ("{mask: dataset, label: '7'}", "s.yaml:3:32: object.label: the image shows 3, 9, not '7'"),
    ],
)
def test_an_object_that_is_not_there_is_said(object_: str, expected: str, folder: Path) -> None:
    assert complaint(object_).startswith(expected)


def test_a_dataset_that_knows_no_masks_says_so(folder: Path) -> None:
    (folder / "set" / "39").mkdir(parents=True)
    Image.fromarray(np.full((64, 64), 255, dtype=np.uint8)).save(folder / "set/39/0_39.png")
    image = "{dataset: multi-mnist-folder, path: set, index: 0}"
    line = complaint("{mask: dataset}", image)
    assert line.startswith("s.yaml:3:16: object.mask: ")
    assert scene("{box: [0, 0, 9, 9]}", image).labels == ("3", "9")
