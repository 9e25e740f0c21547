"""ONNX files whose nodes read several values, or are written in other ways than as a chain."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis.strategies import SearchStrategy
from law import law
from onnx import TensorProto, helper, numpy_helper
from onnx_chains import CONV, FLAT, GEMM, SHAPE, assert_same_scores, model_of, residual, written
from onnx_files import Node
from random_ops import Rng, one_of
from strategies import seeded

from mlspec.core.network import Op
from mlspec.ops.clip import Clip
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.relu import Relu
from mlspec.problem.onnx_import import read_network


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


def test_weights_that_would_allow_large_scores_are_read(tmp_path: Path) -> None:
    """What counts is what the scores are over the images asked, and bounds see to that."""
    large = 1e5 * GEMM[2][0]
    nodes = [CONV, FLAT, ("Gemm", {"transB": 1}, [large, GEMM[2][1]]), ("Mul", {}, [np.array(1e4)])]
    path = written(model_of(nodes, SHAPE, 3), tmp_path)
    assert_same_scores(path, read_network(path))


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
