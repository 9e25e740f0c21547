"""ONNX files of chains of nodes, and what is true of one that is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_files import Node, by_onnxruntime

from mlspec.core import forward
from mlspec.core.fuse import fused
from mlspec.core.network import Network


def model_of(
    nodes: list[Node],
    shape: tuple[int | str, ...],
    labels: int | None,
    *,
    opset: int = 17,
    constants: bool = False,
    domain: str = "",
) -> onnx.ModelProto:
    """Return a chain of nodes; ``constants`` writes parameters as nodes, not initializers."""
    made, parameters = [], []
    value = "image"
    for number, (kind, attributes, arrays) in enumerate(nodes):
        names = [f"{kind}{number}.{part}" for part in range(len(arrays))]
        tensors = [
            numpy_helper.from_array(array.astype(np.float32), name)
            for array, name in zip(arrays, names, strict=True)
        ]
        if constants:
            made += [helper.make_node("Constant", [], [t.name], value=t) for t in tensors]
        else:
            parameters += tensors
        output = "scores" if number == len(nodes) - 1 else f"v{number}"
        made.append(
            helper.make_node(
                kind, [value, *names], [output], name=f"{kind}{number}", domain=domain, **attributes
            )
        )
        value = output
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", labels])],
        parameters,
    )
    opsets = [helper.make_opsetid("", opset)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def written(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def assert_same_scores(path: Path, network: Network) -> None:
    images = np.random.default_rng(0).random((5, *network.input_shape)).astype(np.float32)
    theirs = by_onnxruntime(path, images, singly=True)
    # What float32 loses goes by the largest value on the way.
    scale = 1.0 + max(np.abs(value).max() for value in forward.values(network, images))
    for each in (network, fused(network)):
        ours = forward.scores(each, images.astype(np.float64))
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * scale, rtol=1e-5)


RNG = np.random.default_rng(1)
CONV: Node = ("Conv", {"kernel_shape": [3, 3]}, [RNG.normal(size=(2, 1, 3, 3)), RNG.normal(size=2)])
FLAT: Node = ("Flatten", {}, [])
GEMM: Node = ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 32)), RNG.normal(size=3)])
POOL: Node = ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, [])
SMALL_GEMM: Node = ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 8)), RNG.normal(size=3)])
TWO_GEMM: Node = ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 2)), RNG.normal(size=3)])
NORM: Node = (
    "BatchNormalization",
    {},
    [RNG.normal(size=2), RNG.normal(size=2), RNG.normal(size=2), np.array([0.5, 2.0])],
)

SHAPE = ("batch", 1, 6, 6)
GEMM_ALL = RNG.normal(size=(3, 36))
"""Weights for the whole image."""


def variant(node: Node, **attributes: Any) -> Node:
    kind, old, arrays = node
    return kind, {**old, **attributes}, arrays


def gemm(inputs: int) -> Node:
    rng = np.random.default_rng(inputs)
    return "Gemm", {"transB": 1}, [rng.normal(size=(3, inputs)), rng.normal(size=3)]


def residual(first: str, second: str, kind: str = "Add") -> onnx.ModelProto:
    """Return conv, then ``kind`` of two of its image, output and ReLU, then flatten and gemm."""
    model = model_of([variant(CONV, pads=[1, 1, 1, 1]), ("Relu", {}, []), FLAT], SHAPE, 72)
    model.graph.node.insert(2, helper.make_node(kind, [first, second], ["sum"], name="sum"))
    model.graph.node[3].input[0] = "sum"
    return model
