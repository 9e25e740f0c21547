"""Every mistake in a spec is one line with its place, from every command."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_cases import mlspec, spec_with

# Lines of a spec (see `spec_with`) and the error they give after FILE:.
SPEC_MISTAKES = {
    "unknown key": ("objct: {}", "4:1: objct: unknown key; did you mean 'object'?"),
    "wrong type": ("seed: many", "4:7: seed: expected a whole number; got 'many' (text)"),
    "1e-3": (
        "budget: {seconds: 1e-3}",
        "4:19: budget.seconds: 1e-3 is text to YAML 1.1 readers: write 1.0e-3",
    ),
    "duplicate key": (
        "seed: 1\nseed: 2",
        "5:1: seed: duplicate key, already given in line 4: keep one",
    ),
    "missing classifier": (
        "classifier: {onnx: specs/classifiers/nome.onnx}",
        "1:20: classifier.onnx: no such file: specs/classifiers/nome.onnx; "
        "did you mean 'none.onnx'?",
    ),
    "missing image": (
        "image: {file: nowhere.png}",
        "2:15: image.file: no such file: nowhere.png",
    ),
    "missing mask": (
        "object: {file: nowhere.png}",
        "3:16: object.file: no such file: nowhere.png",
    ),
    "missing dataset": (
        "image: {dataset: double-mnist, index: 3}",
        "2:8: image: dataset 'double-mnist' needs a path: the folder that holds the MNIST files",
    ),
    "classifier that is none": (
        "classifier: {onnx: junk}",
        "1:20: classifier.onnx: junk: not a valid ONNX model (",
    ),
    "image that is none": (
        "image: {file: junk}",
        "2:15: image.file: junk: not an image in a known format (PNG, JPEG, ...)",
    ),
    "image of another shape": (
        "image: {dataset: triple-digits, index: 3}",
        "2:8: image: the image is 1 × 84 × 84 (channels × height × width), "
        "the classifier takes 1 × 64 × 64",
    ),
    "image file of another shape": (
        "image: {file: tiny.png}\nobject: {box: [1, 1, 3, 3]}\ntarget: '9'",
        "2:8: image: the image is 1 × 8 × 8 (channels × height × width), "
        "the classifier takes 1 × 64 × 64",
    ),
    "coloured image": (
        "image: {file: red.png}\nobject: {box: [1, 1, 3, 3]}\ntarget: '9'",
        "2:8: image: the image is 3 × 64 × 64 (channels × height × width), "
        "the classifier takes 1 × 64 × 64",
    ),
    "mask of another shape": (
        "object: {file: tiny.png}",
        "3:9: object: the mask is (8, 8), the image (64, 64)",
    ),
    "mask empty": ("object: {file: black.png}", "3:16: object.file: black.png: the mask is empty"),
    "box outside": (
        "object: {box: [0, 0, 64, 65]}",
        "3:15: object.box: [0, 0, 64, 65] leaves the image, which has 64 rows and 64 columns: "
        "y1 and x1 are at most that",
    ),
    "component in the dark": (
        "object: {component_at: [0, 0]}",
        "3:24: object.component_at: there is no bright pixel at [0, 0]: give one above 0.1",
    ),
    "component outside": (
        "object: {component_at: [64, 0]}",
        "3:24: object.component_at: [64, 0] lies outside of the image, which has 64 rows and 64 ",
    ),
    "no such object": (
        "object: {mask: dataset, index: 2}",
        "3:32: object.index: there is no object 2: they count from 0 to 1",
    ),
    "folders": (
        "classifier: {onnx: folder}",
        "1:20: classifier.onnx: folder: a folder; name the file in it",
    ),
    "a folder as image": (
        "image: {file: folder}",
        "2:15: image.file: folder: a folder; name the file in it",
    ),
    "a folder as mask": (
        "object: {file: folder}",
        "3:16: object.file: folder: a folder; name the file in it",
    ),
    "mask with NaN": (
        "object: {file: nan.npy}",
        "3:16: object.file: nan.npy: holds NaN, expected zeros and other numbers",
    ),
    "the same object twice": (
        "object: [{mask: dataset}, {mask: dataset}]\naround: each",
        "3:27: object[1]: all its pixels belong to objects before it",
    ),
    "a file of another kind": (
        "classifier: {onnx: nan.onnx}",
        "1:20: classifier.onnx: no such file: nan.onnx; paths start from the folder of the spec",
    ),
    "a number of layers alone": (
        "layers: 3",
        "4:9: layers: expected one of layers, groups, grid, pixels, whole, or a mapping of its "
        "keys; got 3",
    ),
    "a box of one number": (
        "layers: {box: 8}",
        "4:15: layers.box: two whole numbers are needed, such as [8, 8]",
    ),
    "a float for a whole number": (
        "seed: 3.0",
        "4:7: seed: expected a whole number; got 3.0",
    ),
    "label not shown": (
        "object: {mask: dataset, label: '5'}",
        "3:32: object.label: the image shows 3, 9, not '5'",
    ),
    "dataset mask of a file": (
        "image: {file: tiny.png}",
        "3:16: object.mask: an image file has no dataset's mask: give file, box or component_at",
    ),
    "target that nobody names": (
        "object: {box: [0, 0, 2, 2]}",
        "1:1: target: auto needs a dataset that names the objects of the image: give a label",
    ),
    "target not predicted": (
        "target: '7'",
        "4:9: target: the classifier predicts 3 and 9 for this image, not 7: there is no "
        "robustness to measure; choose another image or target",
    ),
    "target not a label": ("target: nine", "4:9: target: no label 'nine' in 0, 1, 2"),
    "target twice": ("target: ['9', '9']", "4:9: target: label '9' is there twice: keep one"),
    "image misread": (
        "classifier: {onnx: specs/classifiers/none.onnx, decision: {k: 1}}",
        "2:8: image: the classifier predicts 3 for this image, not 9: there is no robustness to "
        "measure; choose another image",
    ),
    "labels that do not fit": (
        "classifier: {onnx: specs/classifiers/none.onnx, labels: [a, b, c]}",
        "1:57: classifier.labels: 3 names, but the classifier has 10 scores",
    ),
    "too many layers": (
        "layers: {count: 41}",
        "4:17: layers.count: 41 layers do not exist: the image holds 40; give fewer",
    ),
    "layer beyond the last": (
        "layers: {groups: [[0], [40]]}",
        "4:18: layers.groups: layer 40 does not exist: the last one is 39; give fewer",
    ),
    "weights that do not fit": (
        "weights: [1, 2]",
        "4:10: weights: 2 weights for 40 layers: give one per layer",
    ),
    "no such solver": (
        "solver: hihgs",
        "4:9: solver: no solver profile 'hihgs'; known: auto, cplex, glpk, "
        "gurobi, highs, highs-mip, scip, or the path of a profile ending in .yaml; "
        "did you mean 'highs'?",
    ),
    "missing solver profile": (
        "solver: {profile: mine.yaml}",
        "4:19: solver.profile: no such file: mine.yaml",
    ),
}


@pytest.mark.parametrize("name", SPEC_MISTAKES)
def test_a_spec_mistake_is_one_line_with_its_place(name: str, folder: Path) -> None:
    text, expected = SPEC_MISTAKES[name]
    (folder / "s.yaml").write_text(spec_with(text))
    ran = mlspec("check", "s.yaml", cwd=folder)
    assert ran.code == 2
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith(f"s.yaml:{expected}")


@pytest.mark.parametrize("command", ["solve", "check", "verify", "train"])
def test_every_command_reports_spec_mistakes_alike(command: str, folder: Path) -> None:
    (folder / "s.yaml").write_text("seed: x\n")
    ran = mlspec(command, "s.yaml", cwd=folder)
    assert (ran.code, ran.out) == (2, "")
    assert "s.yaml:1:7: seed: expected a whole number; got 'x' (text)" in ran.err.splitlines()
    assert "Traceback" not in ran.err
    assert [file.name for file in folder.iterdir() if file.name == "results"] == []
