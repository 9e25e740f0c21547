"""ONNX files: what is read computes what onnxruntime computes; all else is refused in a line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis.strategies import SearchStrategy
from law import law
from onnx import TensorProto, helper, numpy_helper
from onnx_files import Node, by_onnxruntime, model_of_network
from strategies import SMALL, Rng, networks, one_of, seeded

from mlspec.core import forward
from mlspec.core.fuse import fused
from mlspec.core.network import Network, Op
from mlspec.errors import NetworkError
from mlspec.ops.add import Add
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from mlspec.problem.onnx_import import read_network


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


@law(networks(SMALL), quick=60, deep=1000)
def test_a_network_read_from_a_file_computes_what_onnxruntime_computes(network: Network) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for constants in (False, True):
            model = model_of_network(network, constants=constants)
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
    return "Gemm", {"transB": 1}, [RNG.normal(size=(3, inputs)), RNG.normal(size=3)]


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
    "depthwise conv": [
        CONV,
        ("Conv", {"group": 2}, [RNG.normal(size=(4, 1, 3, 3)), RNG.normal(size=4)]),
        FLAT,
        ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 16))]),
    ],
    "dilated conv": [
        ("Conv", {"dilations": [2, 3], "pads": [1, 1, 1, 1]}, [RNG.normal(size=(2, 1, 3, 2))]),
        FLAT,
        ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 2 * 4 * 5))]),
    ],
    "global average": [CONV, ("GlobalAveragePool", {}, []), FLAT, TWO_GEMM],
    "mean": [CONV, ("ReduceMean", {"axes": [2, 3], "keepdims": 0}, []), TWO_GEMM],
    "mean from the end": [CONV, ("ReduceMean", {"axes": [-1, -2]}, []), FLAT, TWO_GEMM],
    "batch normalisation": [CONV, NORM, FLAT, GEMM],
    "batch normalisation of the image": [
        ("BatchNormalization", {"epsilon": 0.1}, [p[:1] for p in NORM[2]]),
        variant(CONV, pads=[1, 1, 1, 1]),
        ("MaxPool", {"kernel_shape": [3, 3]}, []),
        FLAT,
        GEMM,
    ],
    "batch normalisation of a vector": [
        CONV,
        FLAT,
        GEMM,
        ("BatchNormalization", {}, [np.abs(RNG.normal(size=3)) + 0.1 for _ in range(4)]),
    ],
    "normalised image": [
        ("Sub", {}, [np.array([[[0.3]]])]),
        ("Div", {}, [np.array([[[[0.2]]]])]),
        variant(CONV, pads=[1, 1, 1, 1]),
        ("MaxPool", {"kernel_shape": [3, 3]}, []),
        FLAT,
        GEMM,
    ],
    "normalised by a mean image": [
        ("Sub", {}, [RNG.random((1, 6, 6))]),
        ("Mul", {}, [np.array(2.5)]),
        CONV,
        FLAT,
        GEMM,
    ],
    "rows and columns of constants": [
        ("Add", {}, [RNG.random((6, 1))]),
        ("Mul", {}, [RNG.random(6)]),
        CONV,
        FLAT,
        GEMM,
    ],
    "matmul and add": [
        CONV,
        FLAT,
        ("MatMul", {}, [GEMM[2][0].T]),
        ("Add", {}, [GEMM[2][1]]),
    ],
    "leaky ReLU": [CONV, ("LeakyRelu", {}, []), FLAT, GEMM],
    "leaky ReLU of slope 0": [CONV, ("LeakyRelu", {"alpha": 0.0}, []), FLAT, GEMM],
    "clip": [CONV, ("Clip", {}, [np.array(-0.5), np.array(0.25)]), FLAT, GEMM],
    "ReLU6": [CONV, ("Clip", {}, [np.array(0.0), np.array(6.0)]), FLAT, GEMM],
    "clip from below": [CONV, ("Clip", {}, [np.array(0.125)]), FLAT, GEMM],
    "clip without limits": [CONV, ("Clip", {}, []), FLAT, GEMM],
    "maximum with a number": [CONV, ("Max", {}, [np.array([0.125])]), FLAT, GEMM],
    "maximum with zeros": [CONV, ("Max", {}, [np.zeros((2, 1, 1))]), FLAT, GEMM],
    "minimum with numbers": [CONV, ("Min", {}, [np.array(0.5), np.array(0.25)]), FLAT, GEMM],
    "minimum of a ReLU": [CONV, ("Relu", {}, []), ("Min", {}, [np.array(0.25)]), FLAT, GEMM],
    "asymmetric pads": [variant(CONV, pads=[0, 1, 2, 0]), FLAT, gemm(60)],
    "same-padded conv": [variant(CONV, auto_pad="SAME_UPPER"), FLAT, gemm(72)],
    "same-padded strided conv": [
        variant(CONV, auto_pad="SAME_LOWER", strides=[2, 2]),
        FLAT,
        gemm(18),
    ],
    "valid conv": [variant(CONV, auto_pad="VALID"), FLAT, gemm(32)],
    "padded pool": [CONV, variant(POOL, pads=[1, 1, 1, 1]), FLAT, gemm(18)],
    "padded pool of a ReLU": [
        CONV,
        ("Relu", {}, []),
        variant(POOL, kernel_shape=[3, 3], pads=[1, 0, 1, 2]),
        FLAT,
        gemm(8),
    ],
    "ceiling pool": [CONV, variant(POOL, kernel_shape=[3, 3], ceil_mode=1), FLAT, gemm(8)],
    "ceiling pool without effect": [CONV, variant(POOL, ceil_mode=1), FLAT, SMALL_GEMM],
    "dilated pool": [CONV, variant(POOL, dilations=[2, 3], strides=[1, 1]), FLAT, gemm(4)],
    "same-padded pool": [
        CONV,
        variant(POOL, kernel_shape=[3, 3], auto_pad="SAME_LOWER"),
        FLAT,
        SMALL_GEMM,
    ],
    "ceiling average": [
        CONV,
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, []),
        FLAT,
        gemm(8),
    ],
    "global maximum": [CONV, ("GlobalMaxPool", {}, []), FLAT, TWO_GEMM],
    "mean of channels": [CONV, ("ReduceMean", {"axes": [1]}, []), FLAT, gemm(16)],
    "maximum of rows": [CONV, ("ReduceMax", {"axes": [3], "keepdims": 0}, []), FLAT, gemm(8)],
    "flattened with the batch": [CONV, ("Flatten", {"axis": 0}, []), gemm(32)],
    "reshaped to a row": [CONV, ("Squeeze", {}, []), ("Flatten", {"axis": 0}, []), gemm(32)],
    "constants that enlarge": [("Add", {}, [RNG.random((2, 1, 1))]), FLAT, gemm(72)],
    "limits that enlarge": [("Min", {}, [np.array([[[0.3]], [[0.6]]])]), FLAT, gemm(72)],
    "limits unit by unit": [CONV, ("Max", {}, [RNG.normal(size=(4, 4))]), FLAT, GEMM],
    "leaky ReLU of slope 1": [CONV, ("LeakyRelu", {"alpha": 1.0}, []), FLAT, GEMM],
    "leaky ReLU that turns": [CONV, ("LeakyRelu", {"alpha": -0.1}, []), FLAT, GEMM],
    "parametric ReLU": [CONV, ("PRelu", {}, [np.array([[[0.2]], [[1.5]]])]), FLAT, GEMM],
    "hard sigmoid": [CONV, ("HardSigmoid", {"alpha": 0.3}, []), FLAT, GEMM],
    "absolute value": [CONV, ("Abs", {}, []), FLAT, GEMM],
    "negative": [CONV, ("Neg", {}, []), FLAT, GEMM],
    "transposed": [CONV, ("Transpose", {"perm": [0, 2, 3, 1]}, []), FLAT, GEMM],
    "channels last inside": [
        CONV,
        ("Transpose", {"perm": [0, 2, 3, 1]}, []),
        ("Add", {}, [np.array([0.5, -0.5])]),
        ("Relu", {}, []),
        ("Transpose", {"perm": [0, 3, 1, 2]}, []),
        POOL,
        FLAT,
        SMALL_GEMM,
    ],
    "matmul of rows": [("MatMul", {}, [RNG.normal(size=(6, 3))]), ("Relu", {}, []), FLAT, gemm(18)],
    "matmuls of groups": [
        CONV,
        ("MatMul", {}, [RNG.normal(size=(2, 4, 3))]),
        ("Relu", {}, []),
        FLAT,
        gemm(24),
    ],
    "gemm of a column": [
        CONV,
        ("Flatten", {"axis": 4}, []),
        ("Gemm", {"transA": 1, "transB": 1}, [GEMM[2][0], GEMM[2][1]]),
    ],
    "identity and dropout": [CONV, ("Identity", {}, []), ("Dropout", {}, []), FLAT, GEMM],
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


def residual(first: str, second: str, kind: str = "Add") -> onnx.ModelProto:
    """Return conv, then ``kind`` of two of its image, output and ReLU, then flatten and gemm."""
    model = model_of([variant(CONV, pads=[1, 1, 1, 1]), ("Relu", {}, []), FLAT], SHAPE, 72)
    model.graph.node.insert(2, helper.make_node(kind, [first, second], ["sum"], name="sum"))
    model.graph.node[3].input[0] = "sum"
    return model


@pytest.mark.parametrize("kind", ["Add", "Sub", "Sum"])
@pytest.mark.parametrize("inputs", [("v0", "v1"), ("v1", "v0"), ("v1", "v1")])
def test_branches_are_read(kind: str, inputs: tuple[str, str], tmp_path: Path) -> None:
    path = written(residual(*inputs, kind), tmp_path)
    assert_same_scores(path, read_network(path))


def test_a_constant_less_a_value_is_read(tmp_path: Path) -> None:
    model = model_of([CONV, FLAT, GEMM], SHAPE, 3)
    model.graph.initializer.append(numpy_helper.from_array(np.float32([[[0.4]]]), "white"))
    model.graph.node.insert(0, helper.make_node("Identity", ["white"], ["same"]))
    model.graph.node.insert(1, helper.make_node("Sub", ["same", "image"], ["negative"]))
    model.graph.node[2].input[0] = "negative"
    path = written(model, tmp_path)
    assert_same_scores(path, read_network(path))


@pytest.mark.parametrize("target", [[0, -1], [-1, 32], [0, 32]])
def test_a_reshape_to_a_vector_is_a_flattening(target: list[int], tmp_path: Path) -> None:
    model = model_of([CONV, FLAT, GEMM], SHAPE, 3)
    model.graph.initializer.append(numpy_helper.from_array(np.array(target), "shape"))
    model.graph.node[1].CopyFrom(helper.make_node("Reshape", ["v0", "shape"], ["v1"]))
    path = written(model, tmp_path)
    assert_same_scores(path, read_network(path))


def averages() -> SearchStrategy[list[Node]]:
    """Average pools of every geometry between a conv and a vector."""

    def make(rng: Rng) -> list[Node]:
        kernel = [int(size) for size in rng.integers(1, 5, 2)]
        pads = [int(rng.integers(0, min(size, 3))) for size in kernel]
        attributes = {
            "kernel_shape": kernel,
            "strides": [int(size) for size in rng.integers(1, 4, 2)],
            "pads": pads * 2,
            "count_include_pad": int(rng.integers(2)),
        }
        relu: list[Node] = [("Relu", {}, [])] * one_of(rng, (0, 1))
        return [CONV, *relu, ("AveragePool", attributes, []), *relu, FLAT]

    return seeded(make)


@law(averages(), quick=60, deep=500)
def test_average_pools_of_every_geometry_are_read(nodes: list[Node]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(model_of(nodes, SHAPE, None), Path(folder))
        assert_same_scores(path, read_network(path))


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


def test_weights_that_would_allow_large_scores_are_read(tmp_path: Path) -> None:
    """What counts is what the scores are over the images asked, and bounds see to that."""
    large = 1e5 * GEMM[2][0]
    nodes = [CONV, FLAT, ("Gemm", {"transB": 1}, [large, GEMM[2][1]]), ("Mul", {}, [np.array(1e4)])]
    path = written(model_of(nodes, SHAPE, 3), tmp_path)
    assert_same_scores(path, read_network(path))


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


@law(networks(SMALL), quick=80, deep=2000)
def test_fusing_changes_nothing_and_leaves_no_pair(network: Network) -> None:
    images = np.random.default_rng(0).normal(size=(20, *network.input_shape))
    joined = fused(network)
    scores = forward.scores(network, images)
    tolerance = 1e-12 * max(np.abs(value).max() for value in forward.values(network, images))
    np.testing.assert_allclose(forward.scores(joined, images), scores, atol=tolerance, rtol=1e-9)
    for value in range(1, len(joined.ops)):
        users = joined.users(value)
        pair = type(joined.ops[value - 1]), type(joined.ops[users[0]])
        if len(users) == 1:
            assert pair not in {(Relu, MaxPool), (MaxPool, Relu), (Relu, Relu), (Scale, Scale)}
            assert pair not in {(Linear, Scale), (Scale, Linear)}
    if not any(isinstance(op, Scale) for op in network.ops):
        np.testing.assert_array_equal(forward.scores(joined, images), scores, strict=True)


def test_a_relu_that_something_else_reads_stays_out_of_a_pool() -> None:
    ops = (Relu(), MaxPool((1, 1), (1, 1)), Add(), Flatten())
    network = Network(ops, (1, 2, 2), ((0,), (1,), (1, 2), (3,)))
    assert fused(network).inputs == network.inputs
    images = np.random.default_rng(0).normal(size=(3, 1, 2, 2))
    np.testing.assert_array_equal(forward.scores(fused(network), images)[:, 0] >= 0, True)


@pytest.mark.parametrize("padding", [(0, 0), (1, 0), (1, 1)])
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_a_shift_goes_into_a_conv_only_where_no_padding_follows(
    padding: tuple[int, int], shift: float
) -> None:
    """The pads are zeros of the normalised image, not of the image."""
    rng = np.random.default_rng(0)
    scale = Scale(rng.normal(size=(2, 1, 1)), np.full((2, 1, 1), shift))
    conv = Conv(rng.normal(size=(4, 1, 3, 3)), rng.normal(size=4), (1, 1), padding, groups=2)
    network = Network((scale, conv, Flatten()), (2, 4, 4))
    kinds = [type(op) for op in fused(network).ops]
    stays = shift != 0.0 and padding != (0, 0)
    assert kinds == ([Scale, Conv, Flatten] if stays else [Conv, Flatten])
    images = rng.random((5, 2, 4, 4))
    np.testing.assert_allclose(
        forward.scores(fused(network), images), forward.scores(network, images), atol=1e-12
    )


LARGEST = float(np.finfo(np.float32).max)


@pytest.mark.parametrize(
    ("node", "op"),
    [
        (("Clip", {}, [np.array(0.0)]), Relu()),
        (("Clip", {}, [np.array(0.0), np.array(LARGEST)]), Relu()),
        (("Max", {}, [np.array([0.0])]), Relu()),
        (("LeakyRelu", {"alpha": 0.0}, []), Relu()),
        (("LeakyRelu", {"alpha": 0.5}, []), LeakyRelu(0.5)),
        (("Clip", {}, [np.array(0.0), np.array(6.0)]), Clip(0.0, 6.0)),
        (("Min", {}, [np.array(6.0)]), Clip(high=6.0)),
    ],
)
def test_a_node_becomes_the_simplest_op_that_it_is(node: Node, op: Op, tmp_path: Path) -> None:
    model = model_of([CONV, node, FLAT, GEMM], SHAPE, 3)
    found = read_network(written(model, tmp_path)).ops[1]
    assert repr(found) == repr(op)


def test_limits_of_old_opsets_are_attributes(tmp_path: Path) -> None:
    nodes: list[Node] = [CONV, ("Clip", {"min": -0.5, "max": 0.25}, []), FLAT, GEMM]
    model = model_of(nodes, SHAPE, 3)
    model.opset_import[0].version = 9
    path = written(model, tmp_path)
    network = read_network(path)
    assert repr(network.ops[1]) == repr(Clip(-0.5, 0.25))
    assert_same_scores(path, network)


@pytest.mark.parametrize("kind", ["Max", "Min"])
@pytest.mark.parametrize("inputs", [("v0", "v1"), ("image", "image"), ("image", "v0")])
def test_extremes_of_two_values_are_read(
    inputs: tuple[str, str], kind: str, tmp_path: Path
) -> None:
    model = residual(*inputs, kind)
    model.graph.output[0].type.tensor_type.shape.dim[1].ClearField("dim_value")
    path = written(model, tmp_path)
    assert_same_scores(path, read_network(path))


@pytest.mark.parametrize("kind", ["Mul", "Div"])
def test_a_product_of_two_values_is_refused(kind: str, tmp_path: Path) -> None:
    path = written(residual("v0", "v1", kind), tmp_path)
    with pytest.raises(NetworkError, match=f"{kind} node 'sum': .*not piecewise linear"):
        read_network(path)


def test_clips_and_relus_in_a_row_are_one() -> None:
    linear = Linear(np.eye(4), np.zeros(4))
    images = np.random.default_rng(0).normal(size=(50, 1, 2, 2)) * 3.0
    for chain, kinds in (
        ((Relu(), Clip(high=2.0)), ["Clip"]),
        ((Clip(high=2.0), Relu()), ["Clip"]),
        ((Clip(-3.0, 2.0), Clip(-1.0, 5.0)), ["Clip"]),
        ((Clip(low=-1.0), Relu()), ["Relu"]),
        ((Clip(low=-1.0), Clip(low=-2.0), Clip(high=0.5)), ["Clip"]),
        ((Relu(), Clip(high=-1.0)), ["Relu", "Clip"]),
        ((LeakyRelu(0.1), Relu()), ["Relu"]),
        ((Relu(), LeakyRelu(0.1)), ["Relu"]),
        ((LeakyRelu(0.1), Clip(high=0.5)), ["LeakyRelu", "Clip"]),
    ):
        network = Network((Flatten(), *chain, linear), (1, 2, 2))
        joined = fused(network)
        assert [type(op).__name__ for op in joined.ops] == ["Flatten", *kinds, "Linear"]
        np.testing.assert_array_equal(
            forward.scores(network, images), forward.scores(joined, images)
        )


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (-np.inf, np.inf)])
def test_a_clip_has_an_interval(ends: tuple[float, float]) -> None:
    with pytest.raises(NetworkError, match="Clip"):
        Clip(*ends)


@pytest.mark.parametrize("slope", [-0.1, 1.0, 2.0, np.nan, np.inf])
def test_a_leak_is_less_than_all(slope: float) -> None:
    with pytest.raises(NetworkError, match="LeakyRelu"):
        LeakyRelu(slope)
