"""A network's ops with torch parameters, shared by bounds and attack, and where they run.

Axes: ``B`` batch, ``C`` channels, ``H`` height, ``W`` width, ``n`` window elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.core.network import (
    Add,
    AffineOp,
    Array,
    Conv,
    Flatten,
    Linear,
    MaxPool,
    Network,
    Op,
    Pair,
    Relu,
    Scale,
    Shape,
)
from mlspec.errors import InputError

CPU = torch.device("cpu")


def device_of(choice: str) -> torch.device:
    """Return the device that ``auto`` (CUDA where there is one, else the CPU), ``cpu`` or ``cuda``
    names; raises InputError for ``cuda`` where there is none."""
    found = torch.cuda.is_available()
    if choice == "cuda" and not found:
        built = "finds no CUDA device" if torch.version.cuda else "is built without CUDA"
        raise InputError(f"cuda: PyTorch {torch.__version__} {built} here; use auto or cpu")
    return torch.device("cuda") if found and choice != "cpu" else CPU


@contextmanager
def single_threaded() -> Iterator[None]:
    """Run torch on one thread: its ops here are too small to share, and results stay the same bit
    by bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, eq=False)
class TensorOp:
    """One op; ``weight`` and ``bias`` are set for affine ops only."""

    op: Op
    inputs: tuple[int, ...]
    """The numbers of the values it reads."""
    shape_in: Shape
    shape_out: Shape
    weight: Tensor
    bias: Tensor

    @property
    def source(self) -> int:
        """The number of the one value it reads."""
        (value,) = self.inputs
        return value


class TensorNetwork:
    """The ops of ``network`` on one device in one dtype."""

    def __init__(self, network: Network, dtype: torch.dtype, device: torch.device = CPU) -> None:
        self.network = network
        self.dtype = dtype
        self.device = device
        none = torch.empty(0, dtype=dtype, device=self.device)
        self.ops: list[TensorOp] = []
        for position, op in enumerate(network.ops):
            weight = bias = none
            if isinstance(op, AffineOp):
                weight, bias = self.tensor(op.weight), self.tensor(op.bias)
            shapes = network.shape_before(position), network.shapes[position]
            self.ops.append(TensorOp(op, network.inputs[position], *shapes, weight, bias))

    def tensor(self, array: Array) -> Tensor:
        """Return a copy of ``array`` as a tensor of this network's dtype and device."""
        return torch.tensor(array, dtype=self.dtype, device=self.device)

    def forward(self, value: Tensor, softness: float = 0.0) -> Tensor:
        """Return the scores ``(B, M)`` of images ``(B, C, H, W)``.

        With ``softness`` > 0 each max-pool becomes a softmax-weighted mean of its window at that
        temperature, so that gradients reach more than one candidate.
        """
        values = [value]
        for item in self.ops:
            value = values[item.inputs[0]]
            match item.op:
                case Conv(stride=stride, padding=padding, groups=groups):
                    value = F.conv2d(value, item.weight, item.bias, stride, padding, groups=groups)
                case Linear():
                    value = F.linear(value, item.weight, item.bias)
                case Scale():
                    value = value * item.weight + item.bias
                case Add():
                    value = sum((values[number] for number in item.inputs[1:]), value)
                case Relu():
                    value = F.relu(value)
                case Flatten():
                    value = value.flatten(1)
                case MaxPool(kernel=kernel, stride=stride, relu=relu):
                    if softness:
                        inside = windows(value, kernel, stride)
                        share = torch.softmax(inside / softness, dim=-1)
                        value = (share * inside).sum(-1)
                    else:
                        value = F.max_pool2d(value, kernel, stride)
                    value = F.relu(value) if relu else value
            values.append(value)
        return value


def windows(value: Tensor, kernel: Pair, stride: Pair) -> Tensor:
    """Return the pooling windows ``(B, C, H', W', n)`` of ``value`` ``(B, C, H, W)``."""
    view = value.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])
    return view.flatten(-2)
