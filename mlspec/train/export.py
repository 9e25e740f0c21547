"""Writes a trained chain of ops as an ONNX file, op by op, with the `onnx` package alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from mlspec.errors import InputError, NetworkError

_OPSET = 17
_IR_VERSION = 8
# The versions every current runtime and verifier reads.

Encoded = tuple[str, dict[str, Any], dict[str, Tensor]]
"""ONNX op type, its attributes, and its parameters by name."""


def _conv(op: nn.Conv2d) -> Encoded:
    assert op.bias is not None
    (py, px), attributes = _pair(op.padding), {"kernel_shape": list(op.kernel_size)}
    attributes |= {"strides": list(op.stride), "pads": [py, px, py, px]}
    return "Conv", attributes, {"weight": op.weight, "bias": op.bias}


def _max_pool(op: nn.MaxPool2d) -> Encoded:
    attributes = {"kernel_shape": _pair(op.kernel_size), "strides": _pair(op.stride)}
    return "MaxPool", attributes, {}


def _linear(op: nn.Linear) -> Encoded:
    return "Gemm", {"transB": 1}, {"weight": op.weight, "bias": op.bias}


ENCODERS: dict[type[nn.Module], Callable[[Any], Encoded]] = {
    nn.Conv2d: _conv,
    nn.ReLU: lambda op: ("Relu", {}, {}),
    nn.MaxPool2d: _max_pool,
    nn.Flatten: lambda op: ("Flatten", {"axis": 1}, {}),
    nn.Linear: _linear,
}
"""How each op becomes an ONNX node."""


def to_onnx(
    network: nn.Sequential, shape: tuple[int, int, int], labels: int, metadata: Mapping[str, str]
) -> onnx.ModelProto:
    """Encode a network: input ``image`` (batch, C, H, W), output ``scores`` (batch, M), float32.

    Args:
        network: a chain of the ops in ``ENCODERS``.
        shape: C, H, W of an image.
        labels: M, the number of scores.
        metadata: stored in the file as text by key.

    Raises:
        NetworkError: the chain holds another op.
    """
    nodes, parameters = [], []
    value = "image"
    for number, op in enumerate(network):
        if type(op) not in ENCODERS:
            known = ", ".join(kind.__name__ for kind in ENCODERS)
            raise NetworkError(f"op {number} is a {type(op).__name__}; can write only: {known}")
        kind, attributes, tensors = ENCODERS[type(op)](op)
        name = f"{kind.lower()}{number}"
        inputs = [value]
        for part, tensor in tensors.items():
            inputs.append(f"{name}.{part}")
            parameters.append(numpy_helper.from_array(tensor.detach().numpy(), inputs[-1]))
        value = "scores" if number == len(network) - 1 else name
        nodes.append(helper.make_node(kind, inputs, [value], name=name, **attributes))
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", labels])],
        parameters,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="mlspec",
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


def write(model: onnx.ModelProto, path: Path) -> None:
    """Write a model so that ``path`` holds either its old content or all of the new one.

    Raises:
        InputError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(model.SerializeToString(deterministic=True))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}") from error


def _pair(size: int | str | tuple[int, ...]) -> list[int]:
    assert not isinstance(size, str)
    return [size, size] if isinstance(size, int) else list(size)
