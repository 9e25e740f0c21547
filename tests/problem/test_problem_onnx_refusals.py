"""ONNX files that are refused: each by a line that names what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_chains import (
    CONV,
    FLAT,
    GEMM,
    GEMM_ALL,
    NORM,
    SHAPE,
    model_of,
    residual,
    variant,
    written,
)
from onnx_files import Node

from mlspec.errors import NetworkError
from mlspec.problem.onnx_import import read_network

RNG = np.random.default_rng(3)
REFUSED: dict[str, tuple[list[Node], str]] = {
    "bias per image": ([FLAT, ("Gemm", {"transB": 1}, [GEMM_ALL, np.ones((3, 1))])], "(3, 1)"),
    "bias of another length": ([FLAT, ("Gemm", {"transB": 1}, [GEMM_ALL, np.ones(5)])], "Gemm"),
    "weight vector": ([FLAT, ("Gemm", {}, [np.ones(36)])], "matrices"),
    "one bias for all filters": ([("Conv", {}, [CONV[2][0], np.ones(1)]), FLAT], "bias"),
    "kernel of another shape": ([variant(CONV, kernel_shape=[2, 2]), FLAT], "kernel_shape"),
    "no stride": ([variant(CONV, strides=[0, 1]), FLAT], "strides"),
    "negative pads": ([variant(CONV, pads=[-1, -1, -1, -1]), FLAT], "pads"),
    "axes that are not there": ([("ReduceMean", {"axes": [6, 7]}, [])], "axes"),
    "variance": (
        [CONV, ("BatchNormalization", {}, [np.ones(2), np.ones(2), np.ones(2), -np.ones(2)]), FLAT],
        "variance",
    ),
    "statistics of one channel": (
        [CONV, ("BatchNormalization", {}, [np.ones(1), np.ones(1), np.ones(1), np.ones(1)]), FLAT],
        "one number per channel",
    ),
    "group conv": (
        [
            (
                "Conv",
                {"group": 2, "kernel_shape": [1, 1]},
                [RNG.normal(size=(2, 1, 1, 1)), np.zeros(2)],
            ),
            FLAT,
        ],
        "2 channels",
    ),
    "uneven groups": (
        [CONV, ("Conv", {"group": 2}, [RNG.normal(size=(3, 1, 1, 1))]), FLAT],
        "3 filters",
    ),
    "one-dimensional pool": ([("MaxPool", {"kernel_shape": [2]}, []), FLAT, GEMM], "MaxPool"),
    "three-dimensional pool": (
        [("MaxPool", {"kernel_shape": [2, 2, 2]}, []), FLAT, GEMM],
        "MaxPool",
    ),
    "one-dimensional conv": (
        [("Conv", {}, [RNG.normal(size=(2, 1, 3))]), FLAT, GEMM],
        "two-dimensional",
    ),
    "one-dimensional average": ([("AveragePool", {"kernel_shape": [2]}, []), FLAT], "height"),
    "average of padding": (
        [("AveragePool", {"kernel_shape": [2, 2], "pads": [2, 2, 2, 2]}, []), FLAT],
        "nothing but padding",
    ),
    "maximum of padding": (
        [("MaxPool", {"kernel_shape": [2, 2], "pads": [2, 2, 2, 2]}, []), FLAT],
        "nothing but padding",
    ),
    "average of a vector": ([FLAT, ("GlobalAveragePool", {}, []), GEMM], "feature map"),
    "batch normalisation in training": (
        [CONV, variant(NORM, training_mode=1), FLAT, GEMM],
        "training_mode",
    ),
    "division by zero": ([("Div", {}, [np.zeros(1)]), FLAT], "division"),
    "one image per constant": ([("Add", {}, [np.zeros((3, 1, 6, 6))]), FLAT], "(3, 1, 6, 6)"),
    "matmul of other rows": ([("MatMul", {}, [np.zeros((5, 3))]), FLAT], "5 rows"),
    "clip without interval": (
        [CONV, ("Clip", {}, [np.array(2.0), np.array(1.0)]), FLAT, GEMM],
        "Clip to [2, 1]",
    ),
    "clip to a point": ([CONV, ("Clip", {}, [np.array(1.0), np.array(1.0)]), FLAT], "[1, 1]"),
    "clip to what is no number": ([CONV, ("Clip", {}, [np.array(np.nan)]), FLAT], "one limit"),
    "tanh": ([CONV, ("Tanh", {}, []), FLAT, GEMM], "Tanh"),
    "sigmoid inside": ([CONV, ("Sigmoid", {}, []), FLAT, GEMM], "Sigmoid"),
    "batch softmax": ([CONV, FLAT, GEMM, ("Softmax", {"axis": 0}, [])], "axis"),
    "flattened rows": ([CONV, ("Flatten", {"axis": 2}, []), GEMM], "32 rows"),
    "no flattening": ([CONV], "vector"),
    "wrong size": ([FLAT, GEMM], "36"),
    "wrong channels": (
        [("Conv", {}, [RNG.normal(size=(2, 3, 3, 3))]), FLAT, GEMM],
        "channels",
    ),
    "kernel larger than the image": (
        [("Conv", {}, [RNG.normal(size=(2, 1, 9, 9))]), FLAT, GEMM],
        "nothing",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_represented_is_refused_by_name(name: str, tmp_path: Path) -> None:
    nodes, word = REFUSED[name]
    path = written(model_of(nodes, SHAPE, 3), tmp_path)
    with pytest.raises(NetworkError) as caught:
        read_network(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert word in message
    assert "\n" not in message


def test_an_op_of_another_domain_is_not_taken_for_the_standard_one(tmp_path: Path) -> None:
    nodes: list[Node] = [("Flatten", {"axis": 1}, []), ("Relu", {}, [])]
    path = written(model_of(nodes, SHAPE, 36, domain="com.example"), tmp_path)
    with pytest.raises(NetworkError, match=r"com\.example"):
        read_network(path)


def test_a_softmax_is_dropped_only_where_the_order_of_scores_decides(tmp_path: Path) -> None:
    """Each of its values depends on all scores: a threshold on one is none on a logit."""
    path = written(model_of([CONV, FLAT, GEMM, ("Softmax", {}, [])], SHAPE, 3), tmp_path)
    assert read_network(path).labels == 3
    with pytest.raises(NetworkError, match="ends in a Softmax"):
        read_network(path, by_rank=False)
    path = written(model_of([CONV, FLAT, GEMM, ("Sigmoid", {}, [])], SHAPE, 3), tmp_path)
    assert read_network(path, by_rank=False).labels == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_parameters_that_overflow_are_refused(value: float, tmp_path: Path) -> None:
    weight = GEMM[2][0].copy()
    weight[1, 3] = value
    nodes = [CONV, FLAT, ("Gemm", {"transB": 1}, [weight, GEMM[2][1]])]
    with pytest.raises(NetworkError):
        read_network(written(model_of(nodes, SHAPE, 3), tmp_path))


def edited(edit: Callable[[onnx.ModelProto], None]) -> onnx.ModelProto:
    model = model_of([CONV, FLAT, GEMM], SHAPE, 3)
    edit(model)
    return model


def _unequal_branches(model: onnx.ModelProto) -> None:
    model.graph.node.insert(1, helper.make_node("Add", ["v0", "image"], ["sum"], name="add"))
    model.graph.node[2].input[0] = "sum"


def _skip(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Flatten", ["image"], ["other"], name="aside"))


def _early_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "v1"


def _two_outputs(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("v1", TensorProto.FLOAT, None))


def _two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))


def _unknown_height(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def _flat_input(model: onnx.ModelProto) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[2:]


def _data_as_weight(model: onnx.ModelProto) -> None:
    node = model.graph.node[2]
    node.input[0], node.input[1] = node.input[1], node.input[0]


def _constant_of_floats(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0]))


def _old_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 6
    for node in model.graph.node:
        if node.op_type == "Gemm":
            node.attribute.append(helper.make_attribute("broadcast", 1))


def _reshape_of_rows(model: onnx.ModelProto) -> None:
    shape = numpy_helper.from_array(np.array([-1, 16]), "shape")
    model.graph.initializer.append(shape)
    model.graph.node[1].CopyFrom(helper.make_node("Reshape", ["v0", "shape"], ["v1"]))


def _constant_over_image(model: onnx.ModelProto) -> None:
    one = numpy_helper.from_array(np.ones(1, dtype=np.float32), "one")
    model.graph.initializer.append(one)
    model.graph.node.insert(0, helper.make_node("Div", ["one", "image"], ["divided"]))
    model.graph.node[1].input[0] = "divided"


def _training_dropout(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "ratio"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "training"))
    node = helper.make_node("Dropout", ["v0", "ratio", "training"], ["dropped"])
    model.graph.node.insert(1, node)
    model.graph.node[2].input[0] = "dropped"


EDITS = {
    "unequal branches": _unequal_branches,
    "old opset": _old_opset,
    "reshape of rows": _reshape_of_rows,
    "constant over image": _constant_over_image,
    "training dropout": _training_dropout,
    "output inside": _early_output,
    "two outputs": _two_outputs,
    "two inputs": _two_inputs,
    "unknown height": _unknown_height,
    "no image": _flat_input,
    "computed weight": _data_as_weight,
}


@pytest.mark.parametrize("name", EDITS)
def test_graphs_that_are_no_classifier_of_an_image_are_refused(name: str, tmp_path: Path) -> None:
    path = written(edited(EDITS[name]), tmp_path)
    with pytest.raises(NetworkError) as caught:
        read_network(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("edit", [_skip, _constant_of_floats])
def test_nodes_that_nothing_reads_are_left_out(
    edit: Callable[[onnx.ModelProto], None], tmp_path: Path
) -> None:
    plain = read_network(written(model_of([CONV, FLAT, GEMM], SHAPE, 3), tmp_path))
    assert read_network(written(edited(edit), tmp_path)).digest == plain.digest


def test_a_constant_of_text_is_refused(tmp_path: Path) -> None:
    model = model_of([CONV, FLAT, GEMM, ("Add", {}, [])], SHAPE, 3)
    model.graph.initializer.append(helper.make_tensor("words", TensorProto.STRING, [1], [b"hello"]))
    model.graph.node[-1].input.append("words")
    with pytest.raises(NetworkError, match="words"):
        read_network(written(model, tmp_path))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    content = model_of([CONV, FLAT, GEMM], SHAPE, 3).SerializeToString()
    path = tmp_path / "short.onnx"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(NetworkError) as caught:
        read_network(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(NetworkError, match=path.name):
            read_network(path)


@pytest.mark.parametrize("content", [b"hello", b"\x00" * 100, bytes(range(256))])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=r"text\.onnx"):
        read_network(path)


@pytest.mark.parametrize("kind", ["Mul", "Div"])
def test_a_product_of_two_values_is_refused(kind: str, tmp_path: Path) -> None:
    path = written(residual("v0", "v1", kind), tmp_path)
    with pytest.raises(NetworkError, match=f"{kind} node 'sum': .*not piecewise linear"):
        read_network(path)
