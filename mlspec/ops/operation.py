"""An operation as bounds, attacks and models see it.

There are two sides: affine operations pass rows and affine maps on exactly, piecewise-linear ones
are relaxed by bounds and encoded with binaries by models. Every method of an operation refuses
where the operation does not define it; nothing passes through as if it were the identity.

Bounds hold in exact arithmetic: an operation states what float64 may lose, of its interval in
``interval`` itself, of a step of a CROWN pass in ``backward_error``. ``float32_error`` bounds
instead what a float32 evaluation of the operation may lose.

Axes: ``B`` boxes or images, ``S`` rows (specifications), then the shape of the value, ``P``
positions of local rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.affine_map import Affine
from mlspec.ops.encoding import ModelBuilder, Needed, Site
from mlspec.ops.op import Op, Shape, undefined
from mlspec.ops.window import Gather, Window
from mlspec.rounding import float32_share, float32_underflow
from mlspec.tolerances import FLOAT32_LARGEST

Ends = tuple[Tensor, Tensor]
"""Lower and upper bounds."""
Free = tuple[Tensor, ...]
"""The free parameters of one relaxation."""


@dataclass(frozen=True, eq=False)
class TensorOp:
    """One operation at its place in a network, with its parameters on a device."""

    op: Operation
    inputs: tuple[int, ...]
    """The numbers of the values it reads."""
    shape_in: Shape
    """The shape of the (first) value it reads."""
    shape_out: Shape
    parameters: tuple[Tensor, ...]

    @property
    def source(self) -> int:
        """The number of the one value it reads."""
        (value,) = self.inputs
        return value


class Relaxation(ABC):
    """Linear bounds of one operation's output over boxes of its input.

    They may be one for each row (an axis ``S`` after ``B``), or serve all rows.
    """

    @abstractmethod
    def backward(self, item: TensorOp, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Bound ``rows . output`` from below by rows over the input plus biases ``(B, S)``."""

    @abstractmethod
    def moved_apart(self, distance: Tensor | None) -> Relaxation:
        """Return the relaxation with its lower side lowered and its upper side raised by
        ``distance`` ``(B, ...)`` over the output; None for nothing."""

    def windows(self, gather: Gather) -> Relaxation:
        """Return the relaxation as local rows see it."""
        raise NetworkError(f"{type(self).__name__}: rows through it do not stay local")


@dataclass(frozen=True, eq=False)
class LocalView:
    """What local rows see of one operation's output."""

    window: Window
    gather: Gather
    relaxation: Relaxation | None
    """Its windows, for a relaxed operation."""
    inside: bool = False
    """Whether the rows are zero already where they lie outside of the output."""


class Operation(Op):
    """What affine and piecewise-linear operations have in common."""

    @abstractmethod
    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the outputs for images, differentiably.

        With ``softness`` > 0 an operation may be smoothed, so that gradients reach more inputs.
        """
        raise undefined(self, "forward pass in torch")

    @abstractmethod
    def interval(self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> Ends:
        """Return bounds of the output, given those of each input; they hold in exact arithmetic."""
        raise undefined(self, "interval rule")

    @abstractmethod
    def backward(
        self, item: TensorOp, rows: Tensor, relaxation: Relaxation | None
    ) -> tuple[Tensor, Tensor | None]:
        """Bound ``rows . output`` from below by rows over the input (the same for each of several
        inputs) plus biases ``(B, S)``; None for no bias."""
        raise undefined(self, "step of a CROWN pass")

    @abstractmethod
    def backward_error(
        self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]
    ) -> Tensor | None:
        """Return what rounding may cost a step back, given bounds of each input: ``sum_i |rows_i|
        error_i`` at most, with errors ``(B, ...)`` over the output; None for nothing.

        Computed rows ``r`` and biases ``s`` then satisfy ``rows . output >= r . input + s`` but for
        this, in exact arithmetic, for any valid free parameters of a relaxation.
        """
        raise undefined(self, "error of a step of a CROWN pass")

    @abstractmethod
    def float32_error(
        self, item: TensorOp, ends: Sequence[Ends], errors: Sequence[Tensor]
    ) -> Tensor:
        """Return how far the output, computed in float32, may be from the exact one, ``(B, ...)``.

        Of each input, ``ends`` are bounds of its values, exact or in float32, and ``errors`` how
        far its float32 values may be from the exact ones. Sums may run in any order, with or
        without fused multiply-add. Infinite where float32 may overflow.
        """
        raise undefined(self, "error of its float32 evaluation")

    def window_before(self, item: TensorOp, window: Window) -> Window | None:
        """Return what a unit sees of the input, given its ``window`` of the output; None if that
        is no window."""
        return None

    def backward_locally(
        self, item: TensorOp, patch: Tensor, view: LocalView
    ) -> tuple[Tensor, Tensor | None]:
        """Do the same as ``backward`` for local rows ``(B, S, P, C, kh, kw)``; biases are
        ``(B, S, P)``."""
        raise undefined(self, "step of a CROWN pass for local rows")

    @abstractmethod
    def needed(self, site: Site) -> Needed:
        """Return which units of the input (of each of several inputs) can influence a needed
        output, ``(units,)``."""
        raise undefined(self, "rule for which inputs matter")

    @abstractmethod
    def encode(self, build: ModelBuilder, site: Site, values: Sequence[Affine]) -> Affine:
        """Return the output as an affine map over the columns of ``build``, with new variables and
        rows where it takes them; outputs that are not needed may be anything.

        Raises SolverError where a big-M would be too large.
        """
        raise undefined(self, "encoding")


class AffineOperation(Operation):
    """An operation whose output is an affine function of its inputs."""


class PiecewiseOperation(Operation):
    """A piecewise-linear operation of one input, relaxed over bounds of it."""

    @abstractmethod
    def start(self, item: TensorOp, lower: Tensor, upper: Tensor) -> Free:
        """Return good first values of the relaxation's free parameters, each ``(B, ...)``."""
        raise undefined(self, "relaxation")

    @abstractmethod
    def relax(self, item: TensorOp, lower: Tensor, upper: Tensor, free: Free) -> Relaxation:
        """Return the relaxation over ``[lower, upper]``; any ``free`` are made valid first."""
        raise undefined(self, "relaxation")

    @abstractmethod
    def project(self, item: TensorOp, lower: Tensor, upper: Tensor, free: Free) -> None:
        """Move ``free`` in place to where they are valid, so that their gradients do not vanish."""
        raise undefined(self, "relaxation")

    @abstractmethod
    def carried(self, item: TensorOp, lower: Tensor, upper: Tensor, error: Tensor) -> Tensor:
        """Return errors ``(B, ...)`` over the output that cost rows no less than ``error`` costs
        what comes back of them over the input, by any valid relaxation."""
        raise undefined(self, "bound of its relaxation's coefficients")

    @abstractmethod
    def open_positions(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Say ``(B, H W)`` at which positions of its input ``(B, C, H, W)`` the linear piece is
        open: elsewhere the operation is affine over the bounds, and its relaxation exact."""
        raise undefined(self, "rule for what is open")

    def relaxed(self, item: TensorOp, lower: Tensor, upper: Tensor) -> Relaxation:
        """Return the relaxation with its first parameters."""
        return self.relax(item, lower, upper, self.start(item, lower, upper))

    def backward(
        self, item: TensorOp, rows: Tensor, relaxation: Relaxation | None
    ) -> tuple[Tensor, Tensor | None]:
        """Take the relaxation's step."""
        if relaxation is None:
            raise NetworkError(f"{type(self).__name__} has no relaxation to propagate rows through")
        return relaxation.backward(item, rows)


def rounded_to_float32(sizes: Tensor, errors: Tensor, operations: int) -> Tensor:
    """Return ``errors`` plus what ``operations`` float32 roundings may lose of sums whose terms'
    absolute values add up to ``sizes``; infinite where they may overflow."""
    share = float32_share(operations)
    found = errors * (1.0 + share) + share * sizes + float32_underflow(operations)
    return torch.where(sizes + found < FLOAT32_LARGEST, found, torch.inf)


def magnitude(lower: Tensor, upper: Tensor) -> Tensor:
    """Return the largest absolute value between two ends, as a constant to gradients."""
    return torch.maximum(lower.detach().abs(), upper.detach().abs())


def operation_of(op: Op) -> Operation:
    """Return ``op`` if bounds, attacks and models can ask it; raises NetworkError."""
    if not isinstance(op, AffineOperation | PiecewiseOperation):
        raise NetworkError(
            f"{type(op).__name__} is neither an affine nor a piecewise-linear operation: "
            "it cannot be bounded or encoded"
        )
    return op


def piecewise_of(op: Operation) -> PiecewiseOperation | None:
    """Return ``op`` if bounds relax it, None if it is affine."""
    match op:
        case PiecewiseOperation():
            return op
        case AffineOperation():
            return None
        case _:
            raise NetworkError(f"{type(op).__name__} is neither affine nor piecewise-linear")
