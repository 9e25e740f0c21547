"""What an ONNX file computes from constants is folded, whatever its opset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import RNG, WEIGHT, assert_as_onnxruntime, model_of, node, saved

from mlspec.problem.onnx_import import read_network


def constants_in_all_forms() -> list[Any]:
    return [
        helper.make_node("Constant", [], ["one"], value_int=1),
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Constant", [], ["tail"], value_ints=[-1]),
        helper.make_node("Constant", [], ["shift"], value_floats=[0.5, -0.5, 0.25]),
    ]


def test_shapes_and_constants_are_folded(tmp_path: Path) -> None:
    nodes = [
        *constants_in_all_forms(),
        node("Shape", "image", "sizes"),
        node("Constant", "", "zero", value=numpy_helper.from_array(np.array(0))),
        node("Gather", "sizes zero", "batch"),
        node("Unsqueeze", "batch axis", "first"),
        node("Concat", "first tail", "target", axis=0),
        node("Reshape", "image target", "flat"),
        node("Transpose", "weight", "turned", perm=[1, 0]),
        node("Mul", "turned half", "halved"),
        node("Cast", "one", "as_float", to=TensorProto.FLOAT),
        node("Sub", "shift as_float", "moved"),
        node("MatMul", "flat halved", "product"),
        node("Add", "product moved", "scores"),
    ]
    path = saved(model_of(nodes, {"weight": WEIGHT, "axis": np.array([0])}), tmp_path)
    assert_as_onnxruntime(path)
    assert [type(op).__name__ for op in read_network(path).ops] == ["Flatten", "Linear", "Scale"]


def test_a_constant_condition_chooses_its_branch(tmp_path: Path) -> None:
    def branch(name: str, kind: str) -> Any:
        made = helper.make_node(kind, ["image"], [name])
        return helper.make_graph([made], name, [], [helper.make_empty_tensor_value_info(name)])

    nodes = [
        node("If", "yes", "maps", then_branch=branch("a", "Neg"), else_branch=branch("b", "Abs")),
        node("Flatten", "maps", "flat"),
        node("Gemm", "flat weight", "scores", transB=1),
    ]
    path = saved(model_of(nodes, {"weight": WEIGHT, "yes": np.array(True)}), tmp_path)
    assert_as_onnxruntime(path)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 15, 18, 21])
def test_opsets_differ_only_in_how_they_are_written(opset: int, tmp_path: Path) -> None:
    """Axes, pads and limits moved from attributes to inputs."""
    kernel = RNG.normal(size=(2, 2, 3, 3)).astype(np.float32)
    pads, axes = [0, 0, 1, 0, 0, 0, 1, 2], [1]
    constants = {"kernel": kernel, "weight": WEIGHT, "pads": np.array(pads)}
    constants |= {"axes": np.array(axes), "low": np.float32(-0.5), "high": np.float32(0.5)}
    padded = (
        node("Pad", "image", "wide", pads=pads) if opset < 11 else node("Pad", "image pads", "wide")
    )
    clip = (
        node("Clip", "maps", "cut", min=-0.5, max=0.5)
        if opset < 11
        else node("Clip", "maps low high", "cut")
    )
    unsqueezed, squeezed = (
        (node("Unsqueeze", "cut", "more", axes=axes), node("Squeeze", "more", "less", axes=axes))
        if opset < 13
        else (node("Unsqueeze", "cut axes", "more"), node("Squeeze", "more axes", "less"))
    )
    total = (
        node("ReduceSum", "less", "sums", axes=axes)
        if opset < 13
        else node("ReduceSum", "less axes", "sums")
    )
    mean = (
        node("ReduceMean", "less", "means", axes=axes)
        if opset < 18
        else node("ReduceMean", "less axes", "means")
    )
    nodes = [
        *(padded, node("Conv", "wide kernel", "maps"), clip, unsqueezed, squeezed, total, mean),
        *(node("Concat", "sums means", "both", axis=1), node("Flatten", "both", "flat")),
        node("Gemm", "flat weight zeros", "scores", transB=1),
    ]
    constants["zeros"] = np.zeros(3, np.float32)
    constants["weight"] = RNG.normal(size=(3, 32)).astype(np.float32)
    assert_as_onnxruntime(saved(model_of(nodes, constants, opset=opset), tmp_path))
