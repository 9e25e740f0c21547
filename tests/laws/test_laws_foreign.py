"""No stage lets an operation pass that it does not know: it refuses, it never takes it for the
identity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx_files import model_of_network

from mlspec.bounds import float32, interval, patches, propagation
from mlspec.bounds.alpha import AlphaCrown
from mlspec.bounds.analysis import Intervals
from mlspec.bounds.crown import Crown
from mlspec.bounds.domain import Boxes
from mlspec.bounds.tighten import Tightening
from mlspec.core import forward
from mlspec.core.bounds import Bounds
from mlspec.core.fuse import fused
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network, Op, Shape
from mlspec.core.property import TopK
from mlspec.errors import NetworkError
from mlspec.milp.compile import Compiler
from mlspec.ops.conv import Conv
from mlspec.ops.elementwise import ElementwiseOperation
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.operation import AffineOperation, Operation, PiecewiseOperation
from mlspec.ops.relu import Relu
from mlspec.problem.onnx_import import read_network
from mlspec.tensors import TensorNetwork

SHAPE = (1, 2, 2)
LAST = Linear(np.array([[1.0, 0.0, 0.0, -1.0], [0.0, 1.0, 1.0, 0.0]]), np.zeros(2))
CLAIM = TopK(1).claim(0, 2)


@dataclass(frozen=True, eq=False)
class Foreign(Op):
    """What ``core`` asks for, and nothing else: an extension that was begun."""

    def shape_after(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def forward(self, *values: Array) -> Array:
        return -2.0 * values[0]


def begun(base: type[Operation]) -> Op:
    """Return an operation of a kind that has the shape rule and the numpy forward pass only."""
    methods = {"shape_after": Foreign.shape_after, "forward": Foreign.forward}
    made = dataclass(frozen=True, eq=False)(type("Foreign", (base,), methods))
    made.__abstractmethods__ = frozenset()
    return made()


KINDS: dict[str, Callable[[], Op]] = {
    "op": Foreign,
    "operation": lambda: begun(Operation),
    "affine": lambda: begun(AffineOperation),
    "piecewise": lambda: begun(PiecewiseOperation),
    "elementwise": lambda: begun(ElementwiseOperation),
}


def network_of(op: Op) -> Network:
    conv = Conv(np.ones((1, 1, 1, 1)), np.zeros(1))
    return Network((conv, op, Conv(conv.weight, conv.bias), Relu(), Flatten(), LAST), SHAPE)


def box() -> Box:
    return Box(np.full(SHAPE, -1.0), np.ones(SHAPE))


def tensors(network: Network) -> TensorNetwork:
    return TensorNetwork(network, torch.float64)


def boxes() -> Boxes:
    return Boxes(torch.full((1, *SHAPE), -1.0).double(), torch.ones(1, *SHAPE).double())


def known(network: Network) -> Intervals:
    """Return bounds of every value, as if all had been computed."""
    shapes = [network.shape_of(value) for value in range(len(network.ops) + 1)]
    lower = [torch.full((1, *shape), -9.0, dtype=torch.float64) for shape in shapes]
    return Intervals(lower, [-low for low in lower])


def compiled(network: Network) -> object:
    shapes = [network.shape_of(value) for value in range(len(network.ops) + 1)]
    ends = [np.full(shape, 9.0) for shape in shapes]
    bounds = Bounds(tuple(-end for end in ends), tuple(ends))
    return Compiler(network).compile(box(), bounds, CLAIM, [0])


def local_rows(network: Network) -> object:
    net = tensors(network)
    relaxed = propagation.RelaxedNetwork(net, known(network), {}, boxes())
    return patches.LocalRows(relaxed, 3).minimum({})


def backward(network: Network) -> object:
    net, ends = tensors(network), known(network)
    relu = Relu().relaxed(net.ops[3], ends.lower[3], ends.upper[3])
    rows = torch.ones(1, 1, 2, dtype=torch.float64)
    return propagation.backward(net, rows, len(network.ops), {3: relu}, ends)


def closed(network: Network) -> object:
    return AlphaCrown().close(tensors(network), known(network), CLAIM, [(0,)])


STAGES: dict[str, Callable[[Network], object]] = {
    "forward in torch": lambda n: tensors(n).forward(torch.zeros(1, *SHAPE, dtype=torch.float64)),
    "interval": lambda n: interval.propagated(tensors(n), boxes()),
    "crown": lambda n: Crown().intermediate(tensors(n), boxes()),
    "rows backward": backward,
    "local rows": local_rows,
    "alpha": closed,
    "float32": lambda n: float32.carried(tensors(n), known(n)),
    "tighten": lambda n: Tightening().tightened(tensors(n), known(n)),
    "model": compiled,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_refuses_an_operation_that_it_does_not_know(stage: str, kind: str) -> None:
    network = network_of(KINDS[kind]())
    with pytest.raises(NetworkError, match=r"Foreign|rows over value 3 do not stay local"):
        STAGES[stage](network)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_known_is_joined_with_nothing(kind: str) -> None:
    network = network_of(KINDS[kind]())
    assert [type(op).__name__ for op in fused(network).ops] == [
        "Conv", "Foreign", "Conv", "Relu", "Flatten", "Linear"
    ]  # fmt: skip
    images = np.random.default_rng(0).random((3, *SHAPE))
    expected = forward.scores(network, images)
    np.testing.assert_array_equal(forward.scores(fused(network), images), expected)


@pytest.mark.parametrize("base", [Op, Operation, AffineOperation, PiecewiseOperation])
def test_an_operation_that_leaves_something_undefined_cannot_be_made(base: type[Op]) -> None:
    made = type("Foreign", (base,), {"shape_after": Foreign.shape_after})
    with pytest.raises(TypeError, match="abstract"):
        made()


@pytest.mark.parametrize("op", [object(), Foreign, "Relu"])
def test_what_is_no_operation_is_in_no_network(op: object) -> None:
    with pytest.raises(NetworkError, match="no operation"):
        Network((Flatten(), op, LAST), SHAPE)  # type: ignore[arg-type]


def test_a_node_that_no_operation_reads_is_refused(tmp_path: Path) -> None:
    model = model_of_network(Network((Flatten(), Relu(), LAST), SHAPE))
    model.graph.node[1].op_type = "Sinh"
    onnx.save(model, str(tmp_path / "foreign.onnx"))
    with pytest.raises(NetworkError, match="Sinh is not supported"):
        read_network(tmp_path / "foreign.onnx")
