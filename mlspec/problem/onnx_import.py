"""ONNX file to Network: a graph from one image to its scores, node by node.

Nodes whose inputs are known are replaced by what they give; so are shapes, for a batch of one
image. Which of the others there are, and how they are read, the operations say (``ops.registry``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from mlspec.core import forward
from mlspec.core.network import Network, Shape
from mlspec.errors import NetworkError
from mlspec.ops.affine_map import Ints
from mlspec.ops.graph import Graph, Value
from mlspec.ops.reading import Node
from mlspec.ops.registry import READERS
from mlspec.problem.onnx_file import STANDARD, OnnxFile, first_line, load, valid
from mlspec.problem.onnx_input import expect_float, input_value
from mlspec.problem.onnx_moves import MOVES, moved
from mlspec.problem.onnx_node import Constant, evaluated, node_of, tensor_of
from mlspec.problem.onnx_refusals import advice

ENDS = {"LogSoftmax", "Sigmoid", "Softmax"}
"""Functions of the scores that keep their order."""

UNCHANGED = {"Cast", "CastLike", "Dropout", "Identity"}
"""Nodes that give what they are given."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """What an ONNX file says."""

    network: Network
    """From an image to scores, which are logits."""
    onnx: bytes
    """The file, or, where its weights lie in other files, one that holds them too."""
    end: str
    """The function of the scores that the file ends with and that is left out; empty for none."""
    places: Ints
    """Which value of the image, in C order, each number of the file's input is, for one image."""


def read_network(source: Path | bytes, **options: Any) -> Network:
    """Return the network of ``read_classifier``, which says what ``options`` there are."""
    return read_classifier(source, **options).network


def read_classifier(
    source: Path | bytes,
    *,
    by_rank: bool = True,
    input_shape: Shape | None = None,
    float16: bool = False,
    flat: bool = False,
) -> Classifier:
    """Read the classifier in a file, or in the bytes of one.

    A final Sigmoid is dropped: the scores are logits. So is a final Softmax if labels are predicted
    ``by_rank``: it keeps the order of the scores, but each of its values depends on all of them.
    ``input_shape`` is that of the image where the network takes it flat or with channels last; with
    ``flat`` such an input is an image of one row. With ``float16`` a network that computes in
    float16 is read as if it did in float32. Raises
    NetworkError for an unreadable file and for anything that cannot be represented exactly.
    """
    try:
        file = load(source)
        network, end, places = _read(file, input_shape, float16, flat)
        if end in ENDS - {"Sigmoid"} and not by_rank:
            raise NetworkError(
                f"it ends in a {end}, whose values depend on all scores: a threshold on one is "
                "none on a logit; use decision: {rule: top_k}, or export the classifier without it"
            )
        network = _trusted(network)
        # At last: what is said of the op that cannot be read is clearer.
        valid(onnx.checker.check_model, file.model, full_check=True)
    except (NetworkError, MemoryError) as error:
        said = str(error)
        if isinstance(error, MemoryError):
            said = "reading it needs more memory than there is"
        raise NetworkError(f"{source}: {said}" if isinstance(source, Path) else said) from None
    return Classifier(network, file.content, end, places)


@dataclass(eq=False)
class _Reading:
    """What is known on the way through a graph."""

    graph: Graph
    opset: int
    float16: bool
    constants: dict[str, Constant] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)

    def follow(self, proto: Any) -> None:
        """Read the nodes of a graph; ONNX sorts them."""
        self.constants |= {item.name: tensor_of(item) for item in proto.initializer}
        for each in proto.node:
            self._step(each)

    def _step(self, proto: Any) -> None:
        node = node_of(proto, self.constants, self.values)
        try:
            self._read(node, proto)
        except NetworkError as error:
            raise NetworkError(f"{node}: {error}") from None
        except (
            ArithmeticError,
            AttributeError,
            IndexError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            message = (
                f"its attributes and the shapes of its inputs do not fit ({first_line(error)})"
            )
            raise NetworkError(f"{node}: {message}") from None

    def _read(self, node: Node, proto: Any) -> None:
        if proto.domain not in STANDARD:
            raise NetworkError(f"it is of domain '{proto.domain}'; only standard ops are supported")
        if node.kind == "If":
            self._branch(node, proto)
        elif node.kind in {"Shape", "Size"} and node.inputs[0] in self.values:
            known = np.broadcast_to(np.float32(0.0), node.value().shape)
            self._keep(proto, evaluated(proto, self.opset, [known]))
        elif all(name in self.constants for name in node.inputs if name):
            known_inputs = [self.constants.get(name) for name in node.inputs]
            self._keep(proto, evaluated(proto, self.opset, known_inputs))
        else:
            found = self._values(node, proto)
            self.values |= dict(zip(proto.output, found, strict=False))

    def _keep(self, proto: Any, found: list[Constant]) -> None:
        self.constants |= dict(zip(proto.output, found, strict=False))

    def _branch(self, node: Node, proto: Any) -> None:
        """Read the branch that a constant condition chooses."""
        chosen = "then_branch" if node.constant(0).any() else "else_branch"
        branch = node.attributes[chosen]
        self.follow(branch)
        for name, inner in zip(proto.output, branch.output, strict=True):
            if inner.name in self.constants:
                self.constants[name] = self.constants[inner.name]
            else:
                self.values[name] = self.values[inner.name]

    def _values(self, node: Node, proto: Any) -> list[Value]:
        ended = {value.end for value in node.computed()}
        if node.kind in MOVES:
            return self._moved(node, proto, ended)
        if node.kind in UNCHANGED:
            return [self._unchanged(node)]
        if node.kind in ENDS:
            return [self._end(node)]
        if ended - {""}:
            raise NetworkError(f"a {max(ended)} comes before it: {advice(max(ended))}")
        if node.kind not in READERS:
            raise NetworkError(f"{node.kind} is not supported: {advice(node.kind)}")
        return [READERS[node.kind](node, self.graph)]

    def _moved(self, node: Node, proto: Any, ended: set[str]) -> list[Value]:
        several = len(node.computed()) > 1
        if len(ended) > 1 or (several and ended - {"", "Sigmoid"}):
            raise NetworkError(f"it joins scores after a {max(ended)} with others")
        end = max(ended)
        return [replace(each, end=end) for each in moved(node, proto, self.opset, self.graph)]

    def _unchanged(self, node: Node) -> Value:
        if node.kind == "Dropout" and node.has(2) and node.constant(2).any():
            raise NetworkError("it is in training mode: export the classifier for inference")
        if node.kind == "Cast":
            expect_float(node.attributes["to"], self.float16)
        if node.kind == "CastLike":
            like = self.constants.get(node.inputs[1], np.float32(0.0))
            expect_float(onnx.helper.np_dtype_to_tensor_dtype(like.dtype), self.float16)
        return node.value()

    def _end(self, node: Node) -> Value:
        value = node.value()
        rank, opset_axis = len(value.shape), -1 if self.opset >= 13 else 1
        axis = node.attributes.get("axis", opset_axis) % rank
        if value.end:
            raise NetworkError(f"a {value.end} comes before it: {advice(value.end)}")
        if node.kind != "Sigmoid":
            axes = range(axis, rank) if self.opset < 13 else [axis]
            one = int(np.prod([value.shape[each] for each in axes]))
            if one != np.prod(value.shape):
                raise NetworkError(f"axis={axis} of {value.shape} is not that of all scores")
        return replace(value, end=node.kind)


def _read(
    file: OnnxFile, declared: Shape | None, float16: bool, flat: bool
) -> tuple[Network, str, Ints]:
    """Return the network, the function of its scores that the file ends with, and which value of
    the image each number of the file's input is."""
    proto = file.model.graph
    names = {item.name for item in proto.initializer}
    graph, name, image = input_value(proto, names, declared, float16, flat)
    reading = _Reading(graph, file.opset, float16)
    reading.values[name] = image
    reading.follow(proto)
    output = proto.output[0].name
    if output not in reading.values:
        raise NetworkError(f"the graph's output '{output}' does not depend on its input")
    scores = reading.values[output]
    if max(scores.shape, default=1) != np.prod(scores.shape):
        raise NetworkError(
            f"its output has shape {scores.shape} for one image: a classifier ends in a vector of "
            "scores"
        )
    ops, inputs = graph.pruned(scores)
    return Network(ops, graph.input_shape, inputs), scores.end, graph.units(image)


def _trusted(network: Network) -> Network:
    """Return ``network`` if no value of it can leave float32, and all are numbers.

    What large values cost in rounding, bounds account for themselves.
    """
    with np.errstate(all="ignore"):
        images = np.ones((1, *network.input_shape))
        sizes = [np.abs(each).max() for each in forward.magnitudes(network, images)]
        largest = float(np.max(sizes))
    if not largest <= float(np.finfo(np.float32).max):
        raise NetworkError(
            f"its parameters allow values of up to {largest:g}, which float32 cannot hold: "
            "rescale them"
        )
    return network
