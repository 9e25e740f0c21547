"""Nodes that only move numbers, in any order, move them as onnxruntime does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hypothesis.strategies import SearchStrategy
from law import law
from onnx import TensorProto, helper, numpy_helper
from onnx_files import by_onnxruntime
from random_ops import Rng, one_of
from strategies import seeded

from mlspec.core import forward
from mlspec.core.fuse import fused
from mlspec.problem.onnx_import import read_network

IMAGE = (2, 3, 4)


class _Chain:
    """A graph under construction that ends in one row of numbers."""

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.name = "image"
        self.value = np.zeros((1, *IMAGE))
        for _ in range(int(rng.integers(1, 6))):
            step = one_of(rng, (_transpose, _reshape, _slice, _pad, _gather, _concat, _bend, _flip))
            step(self)
        units = int(self.value.size)
        self.add("Reshape", [self.constant(np.array([1, units]))], self.value.reshape(1, units))

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, kind: str, others: list[str], after: Any, **attributes: Any) -> None:
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.name, *others], [output], **attributes))
        self.name, self.value = output, after

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, *IMAGE))],
            [helper.make_tensor_value_info(self.name, TensorProto.FLOAT, ("n", "m"))],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _transpose(chain: _Chain) -> None:
    axes = chain.rng.permutation(chain.value.ndim)
    chain.add("Transpose", [], chain.value.transpose(axes), perm=axes.tolist())


def _reshape(chain: _Chain) -> None:
    size = chain.value.size
    divisors = [number for number in range(1, size + 1) if size % number == 0]
    first = one_of(chain.rng, tuple(divisors))
    target = one_of(chain.rng, ([1, first, -1], [first, -1], [1, 1, first, size // first]))
    chain.add("Reshape", [chain.constant(np.array(target))], chain.value.reshape(target))


def _slice(chain: _Chain) -> None:
    axis = int(chain.rng.integers(chain.value.ndim))
    length = chain.value.shape[axis]
    start, stop = int(chain.rng.integers(length)), length
    step = int(chain.rng.integers(1, 3))
    ends = [chain.constant(np.array([each])) for each in (start, stop, axis, step)]
    index = [slice(None)] * chain.value.ndim
    index[axis] = slice(start, stop, step)
    chain.add("Slice", ends, chain.value[tuple(index)])


def _flip(chain: _Chain) -> None:
    axis = int(chain.rng.integers(chain.value.ndim))
    ends = [chain.constant(np.array([each])) for each in (-1, -(2**31), axis, -1)]
    chain.add("Slice", ends, np.flip(chain.value, axis))


def _pad(chain: _Chain) -> None:
    pads = chain.rng.integers(0, 2, (2, chain.value.ndim))
    number = np.float32(one_of(chain.rng, (0.0, 0.0, 0.5)))
    after = np.pad(chain.value, pads.T.tolist())
    chain.add("Pad", [chain.constant(pads.ravel()), chain.constant(number)], after)


def _gather(chain: _Chain) -> None:
    axis = int(chain.rng.integers(chain.value.ndim))
    chosen = chain.rng.integers(0, chain.value.shape[axis], int(chain.rng.integers(1, 4)))
    after = np.take(chain.value, chosen, axis)
    chain.add("Gather", [chain.constant(chosen)], after, axis=axis)


def _concat(chain: _Chain) -> None:
    """Join the value with itself, or with a constant."""
    axis = int(chain.rng.integers(chain.value.ndim))
    other = chain.name
    if chain.rng.random() < 0.5:
        other = chain.constant(chain.rng.random(chain.value.shape).astype(np.float32))
    after = np.concatenate([chain.value, chain.value], axis)
    if after.size <= 200:
        chain.add("Concat", [other], after, axis=axis)


def _bend(chain: _Chain) -> None:
    """Shift unit by unit, then bend: what is a view has to be kept apart from what is not."""
    shift = chain.rng.normal(size=chain.value.shape[-1:]).astype(np.float32)
    chain.add("Add", [chain.constant(shift)], chain.value)
    chain.add("Relu", [], chain.value)


def chains() -> SearchStrategy[onnx.ModelProto]:
    return seeded(lambda rng: _Chain(rng).model())


@law(chains(), quick=150, deep=3000)
def test_numbers_are_moved_as_onnxruntime_moves_them(model: onnx.ModelProto) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        path.write_bytes(model.SerializeToString())
        network = read_network(path, input_shape=IMAGE)
        images = np.random.default_rng(0).normal(size=(3, *IMAGE)).astype(np.float32)
        theirs = by_onnxruntime(path, images, singly=True)
        for each in (network, fused(network)):
            np.testing.assert_allclose(forward.scores(each, images), theirs, atol=1e-5)
