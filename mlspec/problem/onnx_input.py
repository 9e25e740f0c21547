"""The input of an ONNX graph as an image: with a batch or without, flat, channels first or last."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from mlspec.core.network import Shape
from mlspec.errors import NetworkError
from mlspec.ops.graph import Graph, Value

FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE}
SHORT_FLOATS = {TensorProto.FLOAT16, TensorProto.BFLOAT16}


def expect_float(kind: int, float16: bool) -> None:
    """Refuse numbers that are no float32 or float64; with ``float16``, take shorter ones too."""
    known = kind in TensorProto.DataType.values()
    name = TensorProto.DataType.Name(kind) if known else f"an unknown type ({kind})"
    if kind in FLOATS or (kind in SHORT_FLOATS and float16):
        return
    if kind in SHORT_FLOATS:
        raise NetworkError(
            f"it computes in {name.lower()}, whose rounding can exceed the margins that are "
            "proved: export it in float32; or give classifier.float16: as_float32, and know that "
            "the results hold for the network in float32 only"
        )
    raise NetworkError(f"it computes in {name.lower()}: only float32 and float64 are supported")


def input_value(
    proto: Any, names: set[str], declared: Shape | None, float16: bool, flat: bool
) -> tuple[Graph, str, Value]:
    """Return an empty network, and the name and value of the graph's input.

    ``names`` are those of constants, ``declared`` is the image's shape ``(C, H, W)`` where the
    graph does not say it. With ``flat`` an input of any other shape is an image of one row.
    """
    inputs = [item for item in proto.input if item.name not in names]
    if len(inputs) != 1 or len(proto.output) != 1:
        raise NetworkError(
            f"a classifier has one input and one output, it has {len(inputs)} and "
            f"{len(proto.output)}"
        )
    (item,) = inputs
    tensor = item.type.tensor_type
    expect_float(tensor.elem_type, float16)
    sizes = [dim.dim_value if dim.dim_value > 0 else 0 for dim in tensor.shape.dim]
    shape = _of_one_image(item.name, sizes, declared)
    last = _is_transposed_first(proto, item.name) and len(shape) == 4
    if declared is None:
        if flat and len(shape) != 4:
            declared = 1, 1, int(np.prod(shape))
        elif len(shape) != 4:
            raise NetworkError(
                f"input '{item.name}' has shape {sizes}, not that of images (batch, C, H, W): give "
                "classifier.input_shape, as [C, H, W]"
            )
        else:
            declared = (shape[3], shape[1], shape[2]) if last else shape[1:]
    else:
        fits_last = len(shape) == 4 and shape[1:] == (*declared[1:], declared[0])
        last = fits_last and (last or shape[1:] != declared)
    if int(np.prod(shape)) != int(np.prod(declared)):
        raise NetworkError(
            f"input '{item.name}' has shape {sizes}, which does not fit classifier.input_shape "
            f"{list(declared)}"
        )
    graph = Graph(declared)
    value = Value(0, (1, *declared))
    if last:
        return graph, item.name, graph.reshaped(graph.moved(value, 0, 2, 3, 1), shape)
    return graph, item.name, graph.reshaped(value, shape)


def _of_one_image(name: str, sizes: list[int], declared: Shape | None) -> Shape:
    """Return the input's shape, 0 standing for what is open, for a batch of one image."""
    alone = len(sizes) == 1 or (len(sizes) == 3 and sizes[0] > 1)
    if declared is not None and 0 not in sizes and len(sizes) > 1:
        alone = int(np.prod(sizes)) == int(np.prod(declared))
    found = sizes if alone else [1, *sizes[1:]]
    if declared is not None and len(found) == 4 and 0 in found:
        found = [size or own for size, own in zip(found, (1, *declared), strict=True)]
    if not sizes or 0 in found:
        raise NetworkError(
            f"input '{name}' has shape {sizes}; a fixed image shape (batch, C, H, W) is needed: "
            "export it for one size, or give classifier.input_shape, as [C, H, W]"
        )
    return tuple(found)


def _is_transposed_first(proto: Any, name: str) -> bool:
    """Say whether all that reads the input takes its channels from last to first."""
    readers = [node for node in proto.node if name in node.input]
    return bool(readers) and all(
        node.op_type == "Transpose"
        and any(list(item.ints) == [0, 3, 1, 2] for item in node.attribute)
        for node in readers
    )
