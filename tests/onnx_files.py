"""Writes any network as an ONNX file, and runs such files in onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from mlspec.core.network import Array, Network, Op
from mlspec.ops.add import Add
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from mlspec.ops.select import ZERO, Select

Node = tuple[str, dict[str, Any], list[Array]]
"""Op type, attributes and constant inputs."""


def nodes_of(op: Op) -> list[Node]:
    """Return the nodes that compute ``op``, one after the other."""
    match op:
        case Conv():
            (py, px) = op.padding
            attributes = {
                "strides": list(op.stride),
                "pads": [py, px, py, px],
                "kernel_shape": list(op.weight.shape[2:]),
                "group": op.groups,
            }
            return [("Conv", attributes, [op.weight, op.bias])]
        case Linear():
            return [("Gemm", {"transB": 1}, [op.weight, op.bias])]
        case Scale():
            return [("Mul", {}, [op.weight]), ("Add", {}, [op.bias])]
        case Add():
            return [("Add", {}, [])]
        case MaxPool():
            attributes = {"kernel_shape": list(op.kernel), "strides": list(op.stride)}
            pool: list[Node] = [("MaxPool", attributes, [])]
            return [*pool, ("Relu", {}, [])] if op.relu else pool
        case Flatten():
            return [("Flatten", {"axis": 1}, [])]
        case Select():
            places = np.where(op.index == ZERO, op.index.max() + 1, op.index).ravel()
            kept = np.arange(op.index.max() + 1)
            # A column of zeros behind those that are chosen.
            parts: list[Node] = [
                ("Flatten", {"axis": 1}, []),
                ("Gather", {"axis": 1}, [kept]),
                ("Pad", {}, [np.array([0, 0, 0, 1])]),
                ("Gather", {"axis": 1}, [places]),
            ]
            return [*parts, ("Reshape", {}, [np.array([-1, *op.index.shape])])]
        case Relu():
            return [("Relu", {}, [])]
        case LeakyRelu():
            return [("LeakyRelu", {"alpha": op.slope}, [])]
        case Clip():
            return _clipped(op)
        case _:
            raise TypeError(op)


def _clipped(op: Clip) -> list[Node]:
    """Return a Clip, or a Max or Min where one end is missing."""
    low, high = (np.array(end) for end in (op.low, op.high))
    if np.isinf(op.high):
        return [("Max", {}, [low])]
    return [("Min", {}, [high])] if np.isinf(op.low) else [("Clip", {}, [low, high])]


def model_of_network(network: Network, *, constants: bool = False) -> onnx.ModelProto:
    """Return a network as a model; ``constants`` writes parameters as nodes, not initializers."""
    made: list[Any] = []
    tensors: list[Any] = []
    names = ["image"]
    for position, (op, inputs) in enumerate(zip(network.ops, network.inputs, strict=True)):
        current = [names[value] for value in inputs]
        for number, (kind, attributes, arrays) in enumerate(nodes_of(op)):
            name = f"{kind}{position}.{number}"
            parameters = [
                numpy_helper.from_array(_written(array), f"{name}.{part}")
                for part, array in enumerate(arrays)
            ]
            if constants:
                made += [helper.make_node("Constant", [], [p.name], value=p) for p in parameters]
            tensors += parameters
            read = [*current, *(p.name for p in parameters)]
            made.append(helper.make_node(kind, read, [name], name=name, **attributes))
            current = [name]
        names += current
    made[-1].output[0] = "scores"
    shape = ("batch", *network.input_shape)
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", network.labels])],
        [] if constants else tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _written(array: Array) -> Any:
    return array if array.dtype == np.int64 else array.astype(np.float32)


def by_onnxruntime(path: Path, images: Array, *, singly: bool = False) -> Array:
    """Return the scores ``(B, M)`` of ``images`` ``(B, C, H, W)``, computed in float32, as one
    batch or ``singly``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    batches = images.astype(np.float32)[:, None] if singly else [images.astype(np.float32)]
    outputs = [session.run(None, {name: batch})[0] for batch in batches]
    if singly:
        outputs = [output.reshape(1, -1) for output in outputs]
    return np.concatenate(outputs).astype(np.float64)
