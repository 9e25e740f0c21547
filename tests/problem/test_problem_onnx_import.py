"""ONNX files: what is read computes what onnxruntime computes; all else is refused in a line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from law import law
from onnx import TensorProto, helper, numpy_helper
from strategies import SMALL, networks

from mlspec.core import forward
from mlspec.core.fuse import fused
from mlspec.core.network import Array, Conv, Flatten, Linear, MaxPool, Network, Op, Relu
from mlspec.errors import NetworkError
from mlspec.problem.onnx_import import read_network

Node = tuple[str, dict[str, Any], list[Array]]
"""Op type, attributes and constant inputs."""


def nodes_of(op: Op) -> list[Node]:
    match op:
        case Conv():
            (py, px) = op.padding
            attributes = {
                "strides": list(op.stride),
                "pads": [py, px, py, px],
                "kernel_shape": list(op.weight.shape[2:]),
            }
            return [("Conv", attributes, [op.weight, op.bias])]
        case Linear():
            return [("Gemm", {"transB": 1}, [op.weight, op.bias])]
        case MaxPool():
            attributes = {"kernel_shape": list(op.kernel), "strides": list(op.stride)}
            pool: list[Node] = [("MaxPool", attributes, [])]
            return [*pool, ("Relu", {}, [])] if op.relu else pool
        case Flatten():
            return [("Flatten", {"axis": 1}, [])]
        case Relu():
            return [("Relu", {}, [])]


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


def by_onnxruntime(path: Path, images: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.asarray(session.run(None, {name: images.astype(np.float32)})[0], dtype=np.float64)


def assert_same_scores(path: Path, network: Network) -> None:
    images = np.random.default_rng(0).random((5, *network.input_shape)).astype(np.float32)
    ours = forward.scores(network, images.astype(np.float64))
    theirs = by_onnxruntime(path, images)
    scale = 1.0 + np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, atol=2e-5 * scale, rtol=2e-5)


@law(networks(SMALL), quick=60, deep=1000)
def test_a_network_read_from_a_file_computes_what_onnxruntime_computes(network: Network) -> None:
    nodes = [node for op in network.ops for node in nodes_of(op)]
    with tempfile.TemporaryDirectory() as folder:
        for constants in (False, True):
            model = model_of(
                nodes, ("batch", *network.input_shape), network.labels, constants=constants
            )
            onnx.checker.check_model(model, full_check=True)
            path = written(model, Path(folder))
            found = read_network(path)
            assert found.input_shape == network.input_shape
            assert found.labels == network.labels
            assert_same_scores(path, found)


RNG = np.random.default_rng(1)
CONV: Node = ("Conv", {"kernel_shape": [3, 3]}, [RNG.normal(size=(2, 1, 3, 3)), RNG.normal(size=2)])
FLAT: Node = ("Flatten", {}, [])
GEMM: Node = ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 32)), RNG.normal(size=3)])
POOL: Node = ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, [])
SMALL_GEMM: Node = ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 8)), RNG.normal(size=3)])
SHAPE = ("batch", 1, 6, 6)


def variant(node: Node, **attributes: Any) -> Node:
    kind, old, arrays = node
    return kind, {**old, **attributes}, arrays


READABLE: dict[str, list[Node]] = {
    "conv without bias": [("Conv", CONV[1], CONV[2][:1]), FLAT, GEMM],
    "conv without kernel_shape": [("Conv", {}, CONV[2]), FLAT, GEMM],
    "gemm without transB": [CONV, FLAT, ("Gemm", {}, [GEMM[2][0].T, GEMM[2][1]])],
    "gemm with alpha and beta": [CONV, FLAT, variant(GEMM, alpha=0.5, beta=2.0)],
    "gemm without bias": [CONV, FLAT, ("Gemm", {"transB": 1}, GEMM[2][:1])],
    "gemm with a bias row": [CONV, FLAT, ("Gemm", {"transB": 1}, [GEMM[2][0], GEMM[2][1][None]])],
    "gemm with one bias for all": [
        CONV,
        FLAT,
        ("Gemm", {"transB": 1}, [GEMM[2][0], np.array([0.5])]),
    ],
    "pool without strides": [
        CONV,
        ("MaxPool", {"kernel_shape": [3, 3]}, []),
        FLAT,
        SMALL_GEMM,
    ],
    "pool that leaves a rim": [
        CONV,
        variant(POOL, kernel_shape=[3, 3]),
        FLAT,
        ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 2))]),
    ],
    "explicit defaults": [
        variant(CONV, group=1, dilations=[1, 1], auto_pad="NOTSET", pads=[0, 0, 0, 0]),
        variant(POOL, ceil_mode=0, dilations=[1, 1], pads=[0, 0, 0, 0], storage_order=0),
        variant(FLAT, axis=1),
        variant(SMALL_GEMM, transA=0),
    ],
}


@pytest.mark.parametrize("name", READABLE)
def test_every_way_to_write_an_op_is_read_alike(name: str, tmp_path: Path) -> None:
    path = written(model_of(READABLE[name], SHAPE, 3), tmp_path)
    assert_same_scores(path, read_network(path))


@pytest.mark.parametrize("last", ["Softmax", "Sigmoid"])
def test_a_monotone_end_is_dropped(last: str, tmp_path: Path) -> None:
    attributes = {"axis": 1} if last == "Softmax" else {}
    plain = read_network(written(model_of([CONV, FLAT, GEMM], SHAPE, 3), tmp_path))
    nodes = [CONV, FLAT, GEMM, (last, attributes, [])]
    ended = read_network(written(model_of(nodes, SHAPE, 3), tmp_path))
    assert ended.digest == plain.digest


def test_parameters_that_are_graph_inputs_too_are_parameters(tmp_path: Path) -> None:
    """As files of old versions list them."""
    model = model_of([CONV, FLAT, GEMM], SHAPE, 3)
    for item in list(model.graph.initializer):
        model.graph.input.append(
            helper.make_tensor_value_info(item.name, TensorProto.FLOAT, item.dims)
        )
    path = written(model, tmp_path)
    assert_same_scores(path, read_network(path))


REFUSED: dict[str, tuple[list[Node], str]] = {
    "group conv": (
        [
            (
                "Conv",
                {"group": 2, "kernel_shape": [1, 1]},
                [RNG.normal(size=(2, 1, 1, 1)), np.zeros(2)],
            ),
            FLAT,
        ],
        "group=2",
    ),
    "asymmetric pads": ([variant(CONV, pads=[0, 0, 1, 1]), FLAT, GEMM], "pads"),
    "dilated conv": ([variant(CONV, dilations=[2, 2]), FLAT, GEMM], "dilations"),
    "same-padded conv": ([variant(CONV, auto_pad="SAME_UPPER"), FLAT, GEMM], "auto_pad"),
    "padded pool": ([CONV, variant(POOL, pads=[1, 1, 1, 1]), FLAT, GEMM], "pads"),
    "ceiling pool": ([CONV, variant(POOL, ceil_mode=1), FLAT, GEMM], "ceil_mode"),
    "dilated pool": ([CONV, variant(POOL, dilations=[2, 2]), FLAT, GEMM], "dilations"),
    "same-padded pool": ([CONV, variant(POOL, auto_pad="SAME_LOWER"), FLAT, GEMM], "auto_pad"),
    "one-dimensional pool": ([("MaxPool", {"kernel_shape": [2]}, []), FLAT, GEMM], "MaxPool"),
    "three-dimensional pool": (
        [("MaxPool", {"kernel_shape": [2, 2, 2]}, []), FLAT, GEMM],
        "MaxPool",
    ),
    "one-dimensional conv": (
        [("Conv", {}, [RNG.normal(size=(2, 1, 3))]), FLAT, GEMM],
        "two-dimensional",
    ),
    "average pool": ([("AveragePool", {"kernel_shape": [2, 2]}, []), FLAT, GEMM], "AveragePool"),
    "leaky ReLU": ([CONV, ("LeakyRelu", {}, []), FLAT, GEMM], "LeakyRelu"),
    "tanh": ([CONV, ("Tanh", {}, []), FLAT, GEMM], "Tanh"),
    "dropout": ([CONV, ("Dropout", {}, []), FLAT, GEMM], "Dropout"),
    "sigmoid inside": ([CONV, ("Sigmoid", {}, []), FLAT, GEMM], "Sigmoid"),
    "batch softmax": ([CONV, FLAT, GEMM, ("Softmax", {"axis": 0}, [])], "axis"),
    "transposed input": ([CONV, FLAT, variant(GEMM, transA=1)], "transA"),
    "flattened batch": ([CONV, ("Flatten", {"axis": 0}, []), GEMM], "axis"),
    "flattened rows": ([CONV, ("Flatten", {"axis": 2}, []), GEMM], "axis"),
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


def _residual(model: onnx.ModelProto) -> None:
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


EDITS = {
    "residual": _residual,
    "branch": _skip,
    "output inside": _early_output,
    "two outputs": _two_outputs,
    "two inputs": _two_inputs,
    "unknown height": _unknown_height,
    "no image": _flat_input,
    "computed weight": _data_as_weight,
}


@pytest.mark.parametrize("name", EDITS)
def test_graphs_that_are_no_chain_of_an_image_are_refused(name: str, tmp_path: Path) -> None:
    path = written(edited(EDITS[name]), tmp_path)
    with pytest.raises(NetworkError) as caught:
        read_network(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_constant_written_as_numbers_is_refused(tmp_path: Path) -> None:
    path = written(edited(_constant_of_floats), tmp_path)
    with pytest.raises(NetworkError, match="value_floats"):
        read_network(path)


def test_a_constant_of_text_is_refused(tmp_path: Path) -> None:
    model = model_of([CONV, FLAT, GEMM], SHAPE, 3)
    model.graph.initializer.append(helper.make_tensor("words", TensorProto.STRING, [1], [b"hello"]))
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


@law(networks(SMALL), quick=40, deep=1000)
def test_fusing_relus_into_pools_changes_nothing(network: Network) -> None:
    images = np.random.default_rng(0).normal(size=(20, *network.input_shape))
    joined = fused(network)
    np.testing.assert_array_equal(
        forward.scores(joined, images), forward.scores(network, images), strict=True
    )
    kinds = [type(op) for op in joined.ops]
    for first, second in pairwise(kinds):
        assert {first, second} != {MaxPool, Relu}
