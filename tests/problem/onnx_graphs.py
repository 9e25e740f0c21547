"""ONNX files of any graph, and what is true of one that is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_files import by_onnxruntime

from mlspec.core import forward
from mlspec.problem.onnx_comparison import largest_difference
from mlspec.problem.onnx_import import read_classifier

RNG = np.random.default_rng(3)
WEIGHT = RNG.normal(size=(3, 32)).astype(np.float32)
IMAGE = (2, 4, 4)


def model_of(
    nodes: list[Any],
    constants: dict[str, Any],
    shape: tuple[Any, ...] = ("batch", *IMAGE),
    *,
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("scores", kind, ("n", "m"))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], name=f"{kind}_{output}", **attributes)


PLAIN = model_of(
    [node("Flatten", "image", "flat"), node("Gemm", "flat weight", "scores", transB=1)],
    {"weight": WEIGHT},
)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def assert_as_onnxruntime(path: Path, **options: Any) -> None:
    found = read_classifier(path, **options)
    images = RNG.random((3, *found.network.input_shape)).astype(np.float32)
    arranged = images.reshape(3, -1)[:, found.places]
    theirs = np.concatenate([by_onnxruntime(path, each).reshape(1, -1) for each in arranged])
    np.testing.assert_allclose(forward.scores(found.network, images), theirs, rtol=1e-5, atol=1e-5)
    assert largest_difference(found) < 1e-5
