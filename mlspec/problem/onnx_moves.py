"""ONNX nodes that only move numbers: onnx's own implementation moves the numbers of the units."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mlspec.errors import NetworkError
from mlspec.ops.add import added
from mlspec.ops.graph import Graph, Value
from mlspec.ops.reading import Node
from mlspec.ops.scale import shifted
from mlspec.ops.select import ZERO
from mlspec.problem.onnx_node import Constant, evaluated

MOVES: Final = frozenset(
    {
        "Concat",
        "DepthToSpace",
        "Expand",
        "Flatten",
        "Gather",
        "GatherElements",
        "GatherND",
        "Pad",
        "Reshape",
        "Resize",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Upsample",
    }
)
"""Concat also joins constants with what is computed, Pad also pads with another number than 0."""


def moved(node: Node, proto: Any, opset: int, graph: Graph) -> list[Value]:
    """Return the outputs of a node of ``MOVES``.

    It is run on the numbers of the units of each computed input in turn, from 1 on, with 0 in place
    of the others: what it puts where is then that unit. What it gives of zeros alone is constant.
    """
    if node.kind in {"Resize", "Upsample"} and node.attributes.get("mode", "nearest") != "nearest":
        raise NetworkError(f"mode={node.attributes['mode']} mixes pixels: only nearest is known")
    if node.kind == "Split" and node.attributes.get("num_outputs"):
        _expect_outputs(node, proto)
    joins = node.kind == "Concat"
    places = [place for place, name in enumerate(node.inputs) if name in node.values]
    if any(place for place in places if not joins):
        raise NetworkError("what it does depends on the image: only its first input may")
    inputs: list[Constant | None] = []
    for place, name in enumerate(node.inputs):
        if place in places:
            inputs.append(np.zeros(node.value(place).shape))
        elif not name:
            inputs.append(None)
        else:
            constant = node.constants[name]
            inputs.append(constant.astype(np.float64) if joins else constant)
    still = [each.astype(np.float64) for each in evaluated(proto, opset, inputs)]
    parts: list[list[Value]] = [[] for _ in still]
    for place in places:
        value = node.value(place)
        numbers = graph.units(value) - ZERO
        read = [*inputs[:place], numbers.astype(np.float64), *inputs[place + 1 :]]
        found = evaluated(proto, opset, read)
        for part, constant, each in zip(parts, still, found, strict=True):
            index = np.where(each == constant, 0.0, each).astype(np.int64) + ZERO
            if (index != ZERO).any() or len(places) == 1:
                part.append(graph.viewed(value, index))
    return [_joined(graph, *each) for each in zip(parts, still, strict=True)]


def _joined(graph: Graph, parts: list[Value], constant: Constant) -> Value:
    value = added(graph, *parts) if len(parts) > 1 else parts[0]
    return shifted(graph, value, constant) if constant.any() else value


def _expect_outputs(node: Node, proto: Any) -> None:
    if node.attributes["num_outputs"] != len(proto.output):
        raise NetworkError(f"num_outputs={node.attributes['num_outputs']}, but it has others")
