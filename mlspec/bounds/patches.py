"""CROWN for feature maps whose rows stay local: patches in place of dense rows.

A unit of a feature map sees a small window of every value before it. Its row is kept as that
window: ``patch`` is ``(B, O, P, C, kh, kw)`` with ``O`` rows per position (the channels, then their
negatives) and ``P`` positions; at position ``(i, j)`` it covers the rows ``i * stride - padding
...`` of the value it runs over (auto_LiRPA, Xu et al. 2020, calls it patches mode). Composing with
an earlier conv multiplies the strides. Where branches meet, patches are padded to one window and
add up. Axes of length 1 broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.bounds.lost import Lost, lowered_sum
from mlspec.bounds.propagation import RelaxedNetwork
from mlspec.core.deadline import NEVER, Deadline
from mlspec.errors import NetworkError
from mlspec.ops.elementwise import Sides, UnitLines
from mlspec.ops.operation import Ends, Free, LocalView
from mlspec.ops.window import Window
from mlspec.rounding import sum_error
from mlspec.tensors import TensorNetwork


def applies(net: TensorNetwork, last: int) -> bool:
    """Say whether value ``last`` is a feature map with only local ops before it, and branches of
    one stride."""
    return bool(_seen(net, last))


def bounds(
    relaxed: RelaxedNetwork,
    last: int,
    positions: Tensor,
    cells_at_once: int,
    deadline: Deadline = NEVER,
) -> Ends:
    """Return CROWN bounds ``(B, C, P)`` of value ``last`` at ``positions`` (numbers below ``H W``)
    over the images of the domain; of the first positions only, if ``deadline`` passes.

    ``cells_at_once`` is about how many elements the largest tensor may have.
    """
    channels, *size = relaxed.net.network.shape_of(last)
    boxes = len(relaxed.domain.lower)
    local = LocalRows(relaxed, last)
    at_once = max(1, cells_at_once // (boxes * local.cells))
    found = [relaxed.domain.lower.new_zeros(boxes, 2 * channels, 0)]
    if len(positions) == math.prod(size) <= at_once and not deadline.passed:
        found.append(local.minimum({}))
    else:
        for chosen in torch.split(positions, at_once):
            if deadline.passed or not len(chosen):
                break
            found.append(LocalRows(relaxed, last, chosen).minimum({}))
    least = torch.cat(found, dim=2)
    return least[:, :channels], -least[:, channels:]


@dataclass(frozen=True, eq=False)
class LocalRows:
    """The units of value ``last`` and their negatives, as rows to be minimised."""

    relaxed: RelaxedNetwork
    last: int
    positions: Tensor | None = None
    """Positions of the value (numbers below ``H W``) to bound; all if None."""

    @property
    def net(self) -> TensorNetwork:
        """The network."""
        return self.relaxed.net

    @cached_property
    def windows(self) -> dict[int, Window]:
        """What a unit sees of each value before it, by the value's number."""
        return _seen(self.net, self.last)

    @property
    def cells(self) -> int:
        """Elements of the largest patch tensor of one box and position."""
        shape_of = self.net.network.shape_of
        seen = [shape_of(value)[0] * math.prod(w.size) for value, w in self.windows.items()]
        return 2 * shape_of(self.last)[0] * max(seen)

    @property
    def _operations(self) -> float:
        """About how many operations the patches of all boxes and positions take."""
        height, width = self.net.network.shape_of(self.last)[1:]
        count = height * width if self.positions is None else len(self.positions)
        per_cell = 40.0
        return per_cell * len(self.windows) * self.cells * count * len(self.relaxed.domain.lower)

    def minimum(self, free: Mapping[int, Free]) -> Tensor:
        """Return the minima ``(B, 2 O, P)``.

        ``free`` replaces the slopes of relaxed ops, by position: those of their free sides, each
        ``(B, 2 O, P, C, kh, kw)``.
        """
        if not self.windows:
            raise NetworkError(f"rows over value {self.last} do not stay local")
        one = torch.eye(
            self.net.network.shape_of(self.last)[0], dtype=self.net.dtype, device=self.net.device
        )
        over = {self.last: torch.cat([one, -one])[None, :, None, :, None, None]}
        bias = one.new_zeros(1, 2 * len(one), 1)
        self.net.clock.spend(self._operations)
        lost = Lost()
        for position in range(self.last - 1, -1, -1):
            if position + 1 not in over:
                continue
            item, window = self.net.ops[position], self.windows[position + 1]
            patch, relaxation = over.pop(position + 1), self._lines.get(position)
            if position in free:
                chosen = self._sides[position].lines(free[position])
                relaxation = chosen.moved_apart(self._errors[position])
            elif relaxation is None and (error := self._error(position)) is not None:
                lost.of_patches(patch, self._gather(error, window))
            # Lines are zero outside of their value.
            inside = position + 1 != self.last and position + 1 in self.net.paid_for
            view = LocalView(window, partial(self._gather, window=window), relaxation, inside)
            patch, shift = item.op.backward_locally(item, patch, view)
            if shift is not None:
                bias = bias + shift
                lost.of_sum(bias)
            before = item.op.window_before(item, window)
            assert before is not None
            for value in item.inputs:
                aligned = _aligned(patch, before, self.windows[value])
                if value in over:
                    aligned = over[value] + aligned
                    sizes = self._gather(self.relaxed.known.magnitude(value), self.windows[value])
                    lost.of_patches(aligned, sum_error(1) * sizes)
                over[value] = aligned
        images = self.windows[0]
        least = self.relaxed.domain.least(over[0], lambda x: self._gather(x, images), (3, 4, 5))
        return lowered_sum(least, lost.taken_from(bias))

    def first(self) -> dict[int, Free]:
        """Return the slopes of the relaxations as ``minimum`` takes them, one per row."""
        rows = 2 * self.net.network.shape_of(self.last)[0]
        return {
            number: tuple(slope.repeat(1, rows, 1, 1, 1, 1) for slope in line.slopes)
            for number, line in self._lines.items()
        }

    def project(self, free: Mapping[int, Free]) -> None:
        """Move slopes in place to the nearest valid ones."""
        for number, slopes in free.items():
            self._sides[number].project(slopes)

    @cached_property
    def _lines(self) -> dict[int, UnitLines]:
        """The relaxation of each op over its window, moved apart by its error, by its position."""
        return {
            number: line.moved_apart(self._error(number)).windows(
                partial(self._gather, window=self.windows[number + 1])
            )
            for number, line in self._relaxed.items()
        }

    @cached_property
    def _errors(self) -> dict[int, Tensor | None]:
        """What a step back through each op may cost, over its window, by the op's position."""
        found = {}
        for value in self.windows:
            if value:
                error = self._error(value - 1)
                gathered = None if error is None else self._gather(error, self.windows[value])
                found[value - 1] = gathered
        return found

    def _error(self, position: int) -> Tensor | None:
        return self.relaxed.known.backward_error(self.net, position, self.last)

    @cached_property
    def _sides(self) -> dict[int, Sides]:
        """What else these relaxations could be."""
        return {
            number: line.sides.windows(partial(self._gather, window=self.windows[number + 1]))
            for number, line in self._relaxed.items()
        }

    @cached_property
    def _relaxed(self) -> dict[int, UnitLines]:
        """The relaxation of each relaxed op that the rows pass, by its position."""
        found = {}
        for value in self.windows:
            if value and value - 1 in self.net.piecewise:
                relaxation = self.relaxed.relaxations.get(value - 1)
                if not isinstance(relaxation, UnitLines):
                    name = type(self.net.ops[value - 1].op).__name__
                    raise NetworkError(f"{name} has no relaxation that keeps rows local")
                found[value - 1] = relaxation
        return found

    def _gather(self, value: Tensor, window: Window) -> Tensor:
        """Return windows ``(B, 1, P, C, kh, kw)`` of ``value`` ``(B, C, H, W)``, zero outside of
        it."""
        rows, columns = self.net.network.shape_of(self.last)[1:]
        (py, px), (ky, kx), (sy, sx) = window.padding, window.size, window.stride
        below = (rows - 1) * sy + ky - py - value.shape[2]
        right = (columns - 1) * sx + kx - px - value.shape[3]
        padded = F.pad(value, (px, max(right, 0), py, max(below, 0)))
        view = padded.unfold(2, ky, sy).unfold(3, kx, sx)[:, :, :rows, :columns]
        windows = view.permute(0, 2, 3, 1, 4, 5)
        if self.positions is None:
            return windows.flatten(1, 2)[:, None]
        return windows[:, self.positions // columns, self.positions % columns][:, None]


def _seen(net: TensorNetwork, last: int) -> dict[int, Window]:
    """Return what a unit of value ``last`` sees of each value before it; nothing where that is no
    window."""
    if len(net.network.shape_of(last)) != 3:
        return {}
    seen = {last: Window()}
    for position in range(last - 1, -1, -1):
        if position + 1 not in seen:
            continue
        item = net.ops[position]
        window = item.op.window_before(item, seen[position + 1])
        if window is None:
            return {}
        for value in item.inputs:
            known = seen.get(value, window)
            if known.stride != window.stride:
                return {}
            seen[value] = known.joined(window)
    return seen


def _aligned(patch: Tensor, window: Window, target: Window) -> Tensor:
    """Return ``patch`` over ``window``, padded to a window around it."""
    if window == target:
        return patch
    (top, left), (rows, columns) = (
        (target.padding[0] - window.padding[0], target.padding[1] - window.padding[1]),
        (target.size[0] - window.size[0], target.size[1] - window.size[1]),
    )
    return F.pad(patch, (left, columns - left, top, rows - top))
