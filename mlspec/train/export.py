"""Writes a trained network as an ONNX file, op by op, with the `onnx` package alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from mlspec.errors import InputError, NetworkError
from mlspec.files import written_whole
from mlspec.train.architectures import Residual

Encoded = tuple[str, dict[str, Any], dict[str, Tensor]]
"""ONNX op type, its attributes, and its parameters by name."""


def _conv(op: nn.Conv2d) -> Encoded:
    assert op.bias is not None
    (py, px), attributes = _pair(op.padding), {"kernel_shape": list(op.kernel_size)}
    attributes |= {"strides": list(op.stride), "pads": [py, px, py, px]}
    return "Conv", attributes, {"weight": op.weight, "bias": op.bias}


def _pool(kind: str, op: nn.MaxPool2d | nn.AvgPool2d) -> Encoded:
    attributes = {"kernel_shape": _pair(op.kernel_size), "strides": _pair(op.stride)}
    return kind, attributes, {}


def _linear(op: nn.Linear) -> Encoded:
    return "Gemm", {"transB": 1}, {"weight": op.weight, "bias": op.bias}


ENCODERS: dict[type[nn.Module], Callable[[Any], Encoded]] = {
    nn.Conv2d: _conv,
    nn.ReLU: lambda op: ("Relu", {}, {}),
    nn.MaxPool2d: lambda op: _pool("MaxPool", op),
    nn.AvgPool2d: lambda op: _pool("AveragePool", op),
    nn.Flatten: lambda op: ("Flatten", {"axis": 1}, {}),
    nn.Linear: _linear,
}
"""How each op becomes an ONNX node."""


@dataclass(eq=False)
class _Writer:
    """The nodes written so far, and their parameters."""

    opset: ClassVar[int] = 17
    ir_version: ClassVar[int] = 8
    """Versions of the operators and of the file format that every current runtime and verifier
    reads."""

    nodes: list[Any] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)

    def write(self, op: nn.Module, value: str, place: str) -> str:
        """Write ``op`` applied to ``value`` and return the name of its output."""
        if isinstance(op, nn.Sequential):
            for number, inner in enumerate(op):
                value = self.write(inner, value, f"{place}{number}")
            return value
        if isinstance(op, Residual):
            body = self.write(op.body, value, f"{place}_body")
            skip = self.write(op.skip, value, f"{place}_skip")
            return self._node("Add", {}, [body, skip], f"add{place}")
        if type(op) not in ENCODERS:
            known = ", ".join(kind.__name__ for kind in (*ENCODERS, Residual))
            raise NetworkError(f"op {place} is a {type(op).__name__}; can write only: {known}")
        kind, attributes, tensors = ENCODERS[type(op)](op)
        name = f"{kind.lower()}{place}"
        inputs = [value]
        for part, tensor in tensors.items():
            inputs.append(f"{name}.{part}")
            self.parameters.append(numpy_helper.from_array(tensor.detach().numpy(), inputs[-1]))
        return self._node(kind, attributes, inputs, name)

    def _node(self, kind: str, attributes: dict[str, Any], inputs: list[str], name: str) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name


def to_onnx(
    network: nn.Sequential, shape: tuple[int, int, int], labels: int, metadata: Mapping[str, str]
) -> onnx.ModelProto:
    """Encode a network: input ``image`` ``(B, C, H, W)``, output ``scores`` ``(B, M)``, float32.

    ``shape`` is that of an image, ``(C, H, W)``; ``labels`` is the number ``M`` of scores;
    ``metadata`` is stored in the file as text by key. Raises NetworkError if the network holds
    other ops than those in ``ENCODERS`` and residual blocks of them.
    """
    writer = _Writer()
    writer.write(network, "image", "")
    writer.nodes[-1].output[0] = "scores"
    graph = helper.make_graph(
        writer.nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", labels])],
        writer.parameters,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", writer.opset)],
        ir_version=writer.ir_version,
        producer_name="mlspec",
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


def write(model: onnx.ModelProto, path: Path) -> None:
    """Write a model so that ``path`` holds either its old content or all of the new one; raises
    InputError if it cannot be written."""
    try:
        with written_whole(path) as part:
            part.write_bytes(model.SerializeToString(deterministic=True))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}") from error


def _pair(size: int | str | tuple[int, ...]) -> list[int]:
    assert not isinstance(size, str)
    return [size, size] if isinstance(size, int) else list(size)
