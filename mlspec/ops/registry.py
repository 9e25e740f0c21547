"""All operations there are, and the readers of ONNX nodes."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.ops import (
    add,
    clip,
    conv,
    flatten,
    leaky_relu,
    limits,
    linear,
    matrix_product,
    max_pool,
    pooling,
    relu,
    scale,
    select,
)
from mlspec.ops.operation import Operation
from mlspec.ops.reading import Reader

OPERATIONS: tuple[type[Operation], ...] = (
    conv.Conv,
    linear.Linear,
    scale.Scale,
    add.Add,
    select.Select,
    flatten.Flatten,
    relu.Relu,
    leaky_relu.LeakyRelu,
    clip.Clip,
    max_pool.MaxPool,
)

READERS: Mapping[str, Reader] = {
    **add.READERS,
    **conv.READERS,
    **limits.READERS,
    **matrix_product.READERS,
    **pooling.READERS,
    **relu.READERS,
    **scale.READERS,
}
"""By the op type of the node. Nodes that only move numbers need none (``problem.onnx_moves``)."""
