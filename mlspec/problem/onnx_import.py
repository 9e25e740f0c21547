"""ONNX file to Network: a graph from one image to its scores, node by node.

Which op types there are, and how they are read, the operations say (``ops.registry``).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from mlspec.core import forward
from mlspec.core.network import Array, Network, Shape
from mlspec.errors import NetworkError
from mlspec.ops.reading import Graph, Node
from mlspec.ops.registry import READERS
from mlspec.problem.onnx_node import constant_value, first_line, node_of, numbers
from mlspec.tolerances import MAX_SCORE

STANDARD = {"", "ai.onnx"}
MONOTONE = {"Softmax", "Sigmoid"}


class Opset(IntEnum):
    """Versions of ONNX's operations."""

    OLDEST = 7
    """Before it constants broadcast in other ways."""


def read_network(path: Path, *, by_rank: bool = True) -> Network:
    """Read the classifier at ``path``.

    A final Sigmoid is dropped: the scores are logits. So is a final Softmax if labels are predicted
    ``by_rank``: it keeps the order of the scores, but each of its values depends on all of them.
    Raises NetworkError for an unreadable file and for anything that cannot be represented exactly.
    """
    if path.is_dir():
        raise NetworkError(f"{path}: a folder; name the file in it")
    try:
        model = _valid(onnx.load, str(path))
        _valid(onnx.checker.check_model, model)
        _expect_opset(model)
        if not by_rank:
            _expect_logits(model.graph)
        network = _trusted(_read(model.graph))
        # At last: what is said of the op that cannot be read is clearer.
        _valid(onnx.checker.check_model, model, full_check=True)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None
    return network


def _valid(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    try:
        return work(*arguments, **options)
    except Exception as error:
        raise NetworkError(f"not a valid ONNX model ({first_line(error)})") from error


def _expect_opset(model: Any) -> None:
    for each in model.opset_import:
        if each.domain in STANDARD and each.version < Opset.OLDEST:
            raise NetworkError(
                f"it is of opset {each.version}, in which constants broadcast in other ways; "
                f"{Opset.OLDEST} is the oldest supported: convert it with onnx.version_converter"
            )


def _expect_logits(proto: Any) -> None:
    output = proto.output[0].name
    if any(each.op_type == "Softmax" and output in each.output for each in proto.node):
        raise NetworkError(
            "it ends in a Softmax, whose values depend on all scores: a threshold on one is none "
            "on a logit; use decision: {rule: top_k}, or export the classifier without it"
        )


def _read(proto: Any) -> Network:
    """Follow the values that are computed from the image, node by node; ONNX sorts the nodes."""
    constants: dict[str, Array] = {item.name: numbers(item) for item in proto.initializer}
    inputs = [item for item in proto.input if item.name not in constants]
    if len(inputs) != 1 or len(proto.output) != 1:
        raise NetworkError("a classifier has one input and one output")
    output = proto.output[0].name
    graph = Graph(_input_shape(inputs[0]))
    values = {inputs[0].name: 0}
    for each in proto.node:
        node = node_of(each, constants, values)
        try:
            if each.op_type == "Constant":
                constants[each.output[0]] = constant_value(node)
            elif each.op_type == "Identity" and node.is_constant(0):
                constants[each.output[0]] = node.constant(0)
            else:
                values[each.output[0]] = _value(
                    node, graph, each.domain, is_last=each.output[0] == output
                )
        except NetworkError as error:
            raise NetworkError(f"{node}: {error}") from None
        except (ValueError, IndexError, ZeroDivisionError) as error:
            message = (
                f"its attributes and the shapes of its inputs do not fit ({first_line(error)})"
            )
            raise NetworkError(f"{node}: {message}") from None
    if output not in values:
        raise NetworkError(f"the graph's output '{output}' does not depend on its input")
    if values[output] != len(graph.ops):
        raise NetworkError(f"nodes come after the graph's output '{output}': nothing reads them")
    return Network(tuple(graph.ops), graph.input_shape, tuple(graph.inputs))


def _value(node: Node, graph: Graph, domain: str, *, is_last: bool) -> int:
    """Return the number of the value that ``node`` computes."""
    kind = node.kind
    if domain not in STANDARD:
        raise NetworkError(f"it is of domain '{domain}'; only standard ops are supported")
    if is_last and kind in MONOTONE:
        if node.attributes.get("axis", -1) not in {1, -1}:
            raise NetworkError(
                f"axis={node.attributes['axis']} mixes images, only the axis of scores may be"
            )
        return node.value()
    if kind not in READERS:
        raise NetworkError(f"{kind} is not supported; supported: {', '.join(sorted(READERS))}")
    return READERS[kind](node, graph)


def _trusted(network: Network) -> Network:
    """Return ``network`` if its values stay small enough for float64 bounds, and are numbers at
    all."""
    with np.errstate(all="ignore"):
        images = np.ones((1, *network.input_shape))
        largest = float(forward.magnitudes(network, images)[-1].max())
    if not largest <= MAX_SCORE:
        raise NetworkError(
            f"its parameters allow scores of up to {largest:g}: above {MAX_SCORE:g} rounding "
            "errors could hide a violation; rescale the last op"
        )
    return network


def _input_shape(value: Any) -> Shape:
    dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    if len(dims) != 4 or min(dims[1:]) < 1:
        raise NetworkError(
            f"input '{value.name}' has shape {dims}; a fixed image shape (batch, C, H, W) is needed"
        )
    return tuple(dims[1:])
