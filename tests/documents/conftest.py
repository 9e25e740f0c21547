"""What stands in for the files of a reader: a detector of four labels, a photograph and a mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIDE, FILTERS = 24, 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the examples of a page run."""
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    photo = rng.integers(60, 200, (SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[4:12, 3:10] = 255
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(mask).save(tmp_path / "dog.png")
    onnx.save(_detector(photo.transpose(2, 0, 1) / 255.0, rng), tmp_path / "detector.onnx")
    return tmp_path


def _detector(image: np.ndarray, rng: np.random.Generator) -> onnx.ModelProto:
    """Return a network whose scores for ``image`` are 1, 1, -1, -1."""
    side = SIDE // 2
    kernel = rng.normal(size=(FILTERS, 3, 2, 2)) / 4
    windows = image.reshape(3, side, 2, side, 2)
    features = np.maximum(np.einsum("fcij,cyixj->fyx", kernel, windows), 0.0).ravel()
    weight = rng.normal(size=(4, features.size)) / np.sqrt(features.size)
    bias = np.array([1.0, 1.0, -1.0, -1.0]) - weight @ features
    arrays = {"kernel": kernel, "weight": weight, "bias": bias}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["a"], strides=[2, 2]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Flatten", ["b"], ["c"]),
            helper.make_node("Gemm", ["c", "weight", "bias"], ["scores"], transB=1),
        ],
        "detector",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(array.astype(np.float32), n) for n, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
