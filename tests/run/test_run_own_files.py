"""A result is enough to go on from, wherever the network's parts came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mlspec
from mlspec.experiment import prepare
from mlspec.results.store import save
from mlspec.resume import problem_of

WEIGHT = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
SPEC = """
classifier: {{onnx: net.onnx, labels: [a, b, c], decision: {{k: 1}}, {extra}}}
image: {{file: image.npy}}
object: {{box: [0, 0, 2, 2]}}
target: {target}
"""


def write(folder: Path, *, shape: tuple[int, ...], half: bool = False, extra: str = "") -> Path:
    """Write a network of one product, its weights in another file, and a spec for it."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    weight = WEIGHT.astype(np.float16) if half else WEIGHT
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weight"], ["scores"], transB=1),
        ],
        "g",
        [helper.make_tensor_value_info("image", kind, ("batch", *shape))],
        [helper.make_tensor_value_info("scores", kind, ("batch", 3))],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(
        model,
        str(folder / "net.onnx"),
        save_as_external_data=True,
        location="net.data",
        size_threshold=0,
    )
    image = np.random.default_rng(1).random((1, 4, 4))
    np.save(folder / "image.npy", image)
    target = "abc"[int((WEIGHT @ image.ravel()).argmax())]
    path = folder / "own.yaml"
    path.write_text(SPEC.format(extra=extra, target=target))
    return path


@pytest.mark.parametrize(
    ("shape", "half", "extra"),
    [
        ((1, 4, 4), False, ""),
        ((16,), False, "input_shape: [1, 4, 4]"),
        ((4, 4, 1), False, "input_shape: [1, 4, 4]"),
        ((1, 4, 4), True, "float16: as_float32"),
    ],
)
def test_a_result_holds_the_whole_network(
    shape: tuple[int, ...], half: bool, extra: str, tmp_path: Path
) -> None:
    experiment = prepare(mlspec.load_spec(write(tmp_path, shape=shape, half=half, extra=extra)))
    assert experiment.difference < (0.05 if half else 1e-5)
    save(experiment.unsolved(), tmp_path / "r.nc")
    for name in ("net.onnx", "net.data", "image.npy"):
        (tmp_path / name).unlink()
    again = problem_of(mlspec.open_result(tmp_path / "r.nc"))
    assert again.network.digest == experiment.problem.network.digest


def test_other_weights_behind_the_same_file_make_another_result(tmp_path: Path) -> None:
    spec = mlspec.load_spec(write(tmp_path, shape=(1, 4, 4)))
    before = prepare(spec).unsolved().attrs["classifier_sha256"]
    (tmp_path / "net.data").write_bytes((2.0 * WEIGHT).tobytes())
    assert prepare(spec).unsolved().attrs["classifier_sha256"] != before
