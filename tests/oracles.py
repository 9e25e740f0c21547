"""Exact answers for tiny networks, by enumeration: slow, plain, sharing no code with mlspec.

Over a box a ReLU network is affine on each cell of inputs with the same ReLU signs and pool
winners. The oracle walks over all cells that meet the box and solves one linear program per cell
and subset of margins (scipy's linprog). Only the op classes, as containers of parameters, come from
mlspec.

Axes: ``n`` moving pixels; an affine value is an array ``(*shape, n + 1)``, the constant last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from plain import convolved, plain_margin, plain_scores, selected
from scipy.optimize import linprog

from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.property import Claim, Property
from mlspec.ops.add import Add
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from mlspec.ops.select import Select

LP_TOLERANCE = 1e-10
ORACLE_ERROR = 1e-7
"""How far the enumerated optimum may lie from the true one: LP tolerances, summed up."""

MANY_CELLS = 200


class TooManyCellsError(Exception):
    """The network is no tiny one: the oracle gives up."""


@dataclass(frozen=True, eq=False)
class Exact:
    """A claim's smallest margin over a box, and an image ``(C, H, W)`` that attains it."""

    margin: float
    image: Array


@dataclass(frozen=True, eq=False)
class Cell:
    """The inputs ``lower <= x <= upper`` with ``rows x <= limits``; ``point`` is one of them."""

    lower: Array
    upper: Array
    point: Array
    rows: list[Array] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def where_negative(self, value: Array) -> Cell | None:
        """Return the part with affine ``value <= 0`` ``(n + 1,)``, None if it is empty."""
        row, limit = value[:-1], -float(value[-1])
        least = row.clip(min=0) @ self.lower + row.clip(max=0) @ self.upper
        most = row.clip(min=0) @ self.upper + row.clip(max=0) @ self.lower
        if most <= limit:
            return self
        if least > limit:
            return None
        point = self.point
        if row @ point > limit:
            found = self.minimise(row)
            if found is None or row @ found > limit + 1e-12:
                return None
            point = found
        return Cell(self.lower, self.upper, point, [*self.rows, row], [*self.limits, limit])

    def minimise(self, row: Array) -> Array | None:
        """Return a point with the least ``row @ x``."""
        return _linear_program(row, self.rows, self.limits, self.lower, self.upper)

    def least_largest(self, values: Array) -> tuple[float, Array] | None:
        """Return the least ``max(values(x))`` over the cell, for affine ``(k, n + 1)``."""
        rows = [np.append(row, 0.0) for row in self.rows]
        rows += [np.append(value[:-1], -1.0) for value in values]
        limits = [*self.limits, *(-values[:, -1])]
        cost = np.append(np.zeros(len(self.lower)), 1.0)
        low, up = np.append(self.lower, -np.inf), np.append(self.upper, np.inf)
        found = _linear_program(cost, rows, limits, low, up)
        if found is None:
            return None
        point = found[:-1].clip(self.lower, self.upper)
        return float((values[:, :-1] @ point + values[:, -1]).max()), point


def minimum(network: Network, box: Box, claim: Claim) -> Exact:
    """Return the smallest margin of ``claim`` over ``box``, by enumeration."""
    moving = np.flatnonzero((box.upper > box.lower).ravel())
    best, best_point = np.inf, box.lower.ravel()[moving]
    for cell, scores in cells(network, box):
        margins = claim.rows @ scores
        margins[:, -1] += claim.offsets
        up, low = margins[:, :-1].clip(min=0), margins[:, :-1].clip(max=0)
        least = up @ cell.lower + low @ cell.upper + margins[:, -1]
        for subset in combinations(range(len(margins)), claim.k):
            if least[list(subset)].max() >= best:
                continue
            found = cell.least_largest(margins[list(subset)])
            if found is not None and found[0] < best:
                best, best_point = found
    return Exact(best, _image(box, moving, best_point))


def level(network: Network, box: Box, property_: Property) -> Exact:
    """Return the robustness level over ``box``: the smallest margin of any claim."""
    return min(
        (minimum(network, box, claim) for claim in property_.claims), key=lambda item: item.margin
    )


def sampled_level(
    network: Network, box: Box, property_: Property, rng: np.random.Generator, count: int = 200
) -> float:
    """Return the smallest margin among corners and random points: an upper bound of the level."""
    return min(
        plain_margin(property_, plain_scores(network, image)) for image in points(box, rng, count)
    )


def points(box: Box, rng: np.random.Generator, count: int = 50) -> Array:
    """Return images of ``box``: the centre, up to 64 corners, random points ``(N, C, H, W)``."""
    lower, upper = box.lower.ravel(), box.upper.ravel()
    moving = np.flatnonzero(upper > lower)
    images = [(lower + upper) / 2]
    corners = rng.integers(0, 2, (64, len(moving)))
    if len(moving) <= 6:
        corners = np.array(list(product((0, 1), repeat=len(moving))), dtype=int)
    for corner in corners:
        image = lower.copy()
        image[moving] = np.where(corner == 1, upper[moving], lower[moving])
        images.append(image)
    images += list((lower + rng.random((count, len(lower))) * (upper - lower)).clip(lower, upper))
    return np.array(images).reshape(-1, *box.lower.shape)


def cells(network: Network, box: Box) -> Iterator[tuple[Cell, Array]]:
    """Yield every cell of ``box`` with the affine scores ``(M, n + 1)`` on it."""
    lower, upper = box.lower.ravel(), box.upper.ravel()
    moving = np.flatnonzero(upper > lower)
    value = np.zeros((len(lower), len(moving) + 1))
    value[:, -1] = lower
    value[moving] = np.eye(len(moving), len(moving) + 1)
    whole = Cell(lower[moving], upper[moving], (lower[moving] + upper[moving]) / 2)
    found = _walk(network, [value.reshape(*network.input_shape, -1)], whole)
    for number, item in enumerate(found):
        if number >= MANY_CELLS:
            raise TooManyCellsError(f"more than {MANY_CELLS} cells")
        yield item


def _walk(network: Network, values: list[Array], cell: Cell) -> Iterator[tuple[Cell, Array]]:
    if len(values) > len(network.ops):
        yield cell, values[-1]
        return
    position = len(values) - 1
    before = [values[number] for number in network.inputs[position]]
    for part, after in _apply(network.ops[position], before, cell):
        yield from _walk(network, [*values, after], part)


def _apply(op: object, values: list[Array], cell: Cell) -> Iterator[tuple[Cell, Array]]:
    value = values[0]
    width = value.shape[-1]
    match op:
        case Add():
            yield cell, np.sum(values, axis=0)
        case Scale():
            after = value * np.broadcast_to(op.weight, value.shape[:-1])[..., None]
            after[..., -1] += op.bias
            yield cell, after
        case Conv():
            yield cell, convolved(op, value)
        case Linear():
            after = op.weight @ value
            after[:, -1] += op.bias
            yield cell, after
        case Flatten():
            yield cell, value.reshape(-1, width)
        case Select():
            yield cell, selected(op, value)
        case Relu():
            candidates = [[unit, np.zeros(width)] for unit in value.reshape(-1, width)]
            for part, after in _winners(candidates, cell):
                yield part, after.reshape(value.shape)
        case LeakyRelu():
            candidates = [[unit, op.slope * unit] for unit in value.reshape(-1, width)]
            for part, after in _winners(candidates, cell):
                yield part, after.reshape(value.shape)
        case Clip():
            for part, raised in _largest(value.reshape(-1, width), op.low, cell):
                for smaller, after in _largest(-raised, -op.high, part):
                    yield smaller, -after.reshape(value.shape)
        case MaxPool():
            (kh, kw), (sh, sw) = op.kernel, op.stride
            channels, height, length = value.shape[:3]
            rows, columns = range(0, height - kh + 1, sh), range(0, length - kw + 1, sw)
            candidates = [
                list(value[c, i : i + kh, j : j + kw].reshape(-1, width))
                + ([np.zeros(width)] if op.relu else [])
                for c in range(channels)
                for i in rows
                for j in columns
            ]
            for part, after in _winners(candidates, cell):
                yield part, after.reshape(channels, len(rows), len(columns), width)
        case _:
            raise TypeError(op)


def _largest(units: Array, constant: float, cell: Cell) -> Iterator[tuple[Cell, Array]]:
    """Split ``cell`` by which of ``units`` ``(n, width)`` exceed ``constant``; yield the larger."""
    if np.isinf(constant):
        yield cell, units
        return
    end = np.zeros(units.shape[1])
    end[-1] = constant
    yield from _winners([[unit, end] for unit in units], cell)


def _winners(candidates: list[list[Array]], cell: Cell) -> Iterator[tuple[Cell, Array]]:
    """Split ``cell`` by which candidate of each unit is the largest, unit after unit."""
    if not candidates:
        yield cell, np.empty((0, len(cell.lower) + 1))
        return
    first, *rest = candidates
    unique = list({tuple(candidate): candidate for candidate in first}.values())
    for winner in unique:
        part: Cell | None = cell
        for other in unique:
            if other is not winner and part is not None:
                part = part.where_negative(other - winner)
        if part is not None:
            for smaller, after in _winners(rest, part):
                yield smaller, np.concatenate([winner[None], after])


def _linear_program(
    cost: Array, rows: list[Array], limits: list[float], lower: Array, upper: Array
) -> Array | None:
    if not len(cost):
        return cost
    tolerances = {
        "primal_feasibility_tolerance": LP_TOLERANCE,
        "dual_feasibility_tolerance": LP_TOLERANCE,
        "presolve": False,
    }
    result = linprog(
        cost,
        A_ub=np.array(rows) if rows else None,
        b_ub=np.array(limits) if rows else None,
        bounds=np.stack([lower, upper], axis=1),
        method="highs-ds",
        options=tolerances,
    )
    if result.status == 2:
        return None
    if result.status != 0:
        raise RuntimeError(f"the oracle's linear program failed: {result.message}")
    return np.asarray(result.x)


def _image(box: Box, moving: NDArray[np.int64], point: Array) -> Array:
    flat = box.lower.ravel().copy()
    flat[moving] = point
    return flat.reshape(box.lower.shape)
