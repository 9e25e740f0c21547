"""All operations there are, and the readers of ONNX nodes."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.errors import NetworkError
from mlspec.ops import (
    add,
    average_pool,
    clip,
    conv,
    flatten,
    leaky_relu,
    linear,
    max_pool,
    relu,
    scale,
)
from mlspec.ops.operation import Operation
from mlspec.ops.reading import Graph, Node, Reader

OPERATIONS: tuple[type[Operation], ...] = (
    conv.Conv,
    linear.Linear,
    scale.Scale,
    add.Add,
    flatten.Flatten,
    relu.Relu,
    leaky_relu.LeakyRelu,
    clip.Clip,
    max_pool.MaxPool,
)


def _dropout(node: Node, graph: Graph) -> int:
    if node.has(2) and node.constant(2).any():
        raise NetworkError("it is in training mode: export the classifier for inference")
    return node.value()


READERS: Mapping[str, Reader] = {
    "Dropout": _dropout,
    "Identity": lambda node, graph: node.value(),
    **add.READERS,
    **average_pool.READERS,
    **clip.READERS,
    **conv.READERS,
    **flatten.READERS,
    **leaky_relu.READERS,
    **linear.READERS,
    **max_pool.READERS,
    **relu.READERS,
    **scale.READERS,
}
"""By the op type of the node."""
