"""A network with torch parameters, shared by bounds and attack, and where it runs.

Axes: ``B`` batch, ``C`` channels, ``H`` height, ``W`` width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from mlspec.core.clock import WALL, Clock
from mlspec.core.network import Array, Network
from mlspec.errors import InputError
from mlspec.ops.operation import PiecewiseOperation, TensorOp, operation_of, piecewise_of

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


class TensorNetwork:
    """The ops of ``network`` on one device in one dtype.

    Raises NetworkError for an op that bounds and attacks do not know.
    """

    def __init__(
        self,
        network: Network,
        dtype: torch.dtype,
        device: torch.device = CPU,
        clock: Clock = WALL,
    ) -> None:
        """``clock`` is what the work done with the network counts on."""
        self.network = network
        self.clock = clock
        self.operations = network.operations
        self.dtype = dtype
        self.device = device
        self.ops: list[TensorOp] = []
        for position, op in enumerate(network.ops):
            inputs, shape_in = network.inputs[position], network.shape_before(position)
            parameters = tuple(self.tensor(each) for each in op.parameters)
            shape_out = network.shapes[position]
            self.ops.append(TensorOp(operation_of(op), inputs, shape_in, shape_out, parameters))
        self.piecewise: dict[int, PiecewiseOperation] = {
            position: relaxed
            for position, item in enumerate(self.ops)
            if (relaxed := piecewise_of(item.op)) is not None
        }
        """The ops that bounds relax, by their position."""
        self.paid_for = frozenset(
            value
            for position in self.piecewise
            for value in self.ops[position].inputs
            if value and network.users(value) == [position]
        )
        """The values that one relaxed op reads, and no other: rows over its output pay for what
        rounding costs rows over the value."""

    def tensor(self, array: Array) -> Tensor:
        """Return a copy of ``array`` as a tensor of this network's dtype and device."""
        return torch.tensor(array, dtype=self.dtype, device=self.device)

    def forward(self, value: Tensor, softness: float = 0.0) -> Tensor:
        """Return the scores ``(B, M)`` of images ``(B, C, H, W)``.

        With ``softness`` > 0 each max-pool becomes a softmax-weighted mean of its window at that
        temperature, so that gradients reach more than one candidate.
        """
        with_gradient = 3.0  # a gradient takes as long as two forward passes
        self.clock.spend(with_gradient * len(value) * self.operations)
        values = [value]
        for item in self.ops:
            read = [values[number] for number in item.inputs]
            values.append(item.op.run(item, read, softness))
        return values[-1]
