"""What a graph claims of its sizes, before anything of these sizes is made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import onnx

from mlspec.errors import NetworkError


class Largest(IntEnum):
    """Limits of a classifier for one image."""

    VALUE = 2**26
    """Numbers of one value: 512 MiB in float64, twenty times the largest of a VGG network."""


def expect_sizes(model: Any) -> None:
    """Raise NetworkError where a value of ``model`` has more than ``Largest.VALUE`` numbers.

    A file of a few bytes may claim any size: by its input, by padding, by constants that are filled
    or repeated. Sizes that ONNX's shape inference does not find are left to the reader.
    """
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # the reader says better what is wrong with the graph
        graph = model.graph
    for name, shape in _shapes(graph):
        if math.prod(shape) > Largest.VALUE:
            claimed = " x ".join(map(str, shape))
            raise NetworkError(
                f"its value '{name}' has {claimed} numbers, more than the {Largest.VALUE:,} that "
                "a value may have"
            )


def _shapes(graph: Any) -> Iterator[tuple[str, list[int]]]:
    """Yield name and shape of each value, without the sizes that are not known."""
    weights = {item.name for item in graph.initializer}
    for item in (*graph.input, *graph.value_info, *graph.output):
        if item.name not in weights:
            dims = item.type.tensor_type.shape.dim
            yield item.name, [dim.dim_value for dim in dims if dim.dim_value > 0]
