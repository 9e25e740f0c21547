"""Random networks: ops of a recipe, with branches, that fit each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from random_ops import MAKERS, Rng, Size, balanced, one_of

from mlspec.core import forward
from mlspec.core.network import Array, Network, Op, Shape
from mlspec.errors import NetworkError
from mlspec.ops.add import Add
from mlspec.ops.flatten import Flatten
from mlspec.ops.operation import PiecewiseOperation
from mlspec.ops.weighted import Weighted

STYLES = ("normal", "integer", "sparse", "mixed")
RECIPES = (
    "| linear",
    "| linear relu linear",
    "| linear relu linear relu linear",
    "| relu linear linear relu linear relu",
    "relu | linear",
    "conv |",
    "pool | relu linear",
    "conv relu | linear",
    "conv relu | linear relu linear",
    "conv | relu linear",
    "conv pool | linear",
    "conv relu pool | linear",
    "conv pool relu | linear relu linear",
    "conv relu pool relu | linear",
    "conv relu conv relu | linear",
    "conv relu conv relu pool | linear",
    "conv relu conv pool relu | linear",
    "conv relu pool conv relu | linear",
    "conv relu pool conv pool relu | linear",
    "conv conv relu | linear linear",
    "conv relu conv relu conv relu | linear",
    "conv relu conv conv relu pool | linear relu linear",
    "conv pool pool | linear",
    "pool conv relu pool | linear",
    "relu pool conv relu | relu linear",
    "relu conv relu conv relu pool | relu",
    "conv relu relu pool | linear",
    "scale conv scale relu | linear",
    "conv relu average | linear relu linear",
    "scale average relu conv pool | scale linear",
    "conv relu [ same relu same ] relu | linear",
    "conv [ relu same ] average | linear",
    "conv relu [ conv relu same ] scale relu | linear",
    "scale [ same relu ] pool conv | relu linear",
    "[ conv scale ] relu [ conv ] relu pool | linear",
    "conv relu [ same relu [ same relu same ] relu same ] relu | linear",
    "conv relu [ same relu same / same relu ] relu | linear",
    "conv [ relu same relu / same relu ] pool | linear",
    "conv [ same relu / same relu same ] relu conv relu | linear",
    "| linear [ relu linear ] relu linear",
    "| linear [ relu linear / relu ] relu linear",
    "conv [ relu ] pool relu | [ linear scale ] relu linear",
)
"""Ops of an image, then, after the flattening, of a vector. Ops that do not fit are left out.

``[`` opens a branch and ``]`` adds what it began with, or what another branch from there, after
``/``, ended in; a conv or a linear op goes between if the shapes differ.
"""

SELECTING = (
    "conv relu [ channels ] same relu conv relu pool | linear",
    "channels conv relu [ same channels ] relu | linear",
    "select conv relu select | linear relu select linear",
    "conv relu select select pool relu | select linear",
    "conv relu select | linear relu linear",
)
"""What one network in six is made by instead."""

LARGEST_VALUE = 1e4
"""Of any value inside a random network."""


def random_network(rng: Rng, size: Size, image: Array, recipe: str | None = None) -> Network:
    """Return a network of some recipe; in most, ReLUs and scores are undecided around ``image``.

    Branches add up: no value of it exceeds ``LARGEST_VALUE``.
    """
    while True:
        network = _any_network(rng, size, image, recipe)
        sizes = tuple(
            replace(op, weight=abs(op.weight), bias=abs(op.bias))
            if isinstance(op, Weighted)
            else op
            for op in network.ops
        )
        largest = forward.values(replace(network, ops=sizes), np.ones((1, *image.shape)))
        if max(value.max() for value in largest) <= LARGEST_VALUE:
            return network


def _any_network(rng: Rng, size: Size, image: Array, recipe: str | None) -> Network:
    (own,) = rng.spawn(1)
    if recipe is None:
        recipe = one_of(rng, RECIPES)
        recipe = one_of(own, SELECTING) if own.integers(6) == 0 else recipe
    made = _Growing(rng, size, image, one_of(rng, STYLES), rng.random() < 0.75)
    value, branches = 0, list[int]()
    for kind in recipe.replace("|", "flatten").split():
        match kind:
            case "[":
                branches.append(value)
            case "/":
                branches[-1], value = value, branches[-1]
            case "]":
                skip = made.like(branches.pop(), value)
                value = value if skip is None else made.add(Add(), skip, value)
            case _:
                value = made.grown(kind, value)
    if not 2 <= made.values[value].size <= size.labels:
        value = made.grown("linear", value, forced=True)
    return made.network(value)


class _Growing:
    """A network under construction, with its values at ``image``."""

    def __init__(self, rng: Rng, size: Size, image: Array, style: str, balanced: bool) -> None:
        self._rng, self._size, self._style, self.balancedd = rng, size, style, balanced
        self.values = [image[None]]
        self._ops: list[Op] = []
        self._inputs: list[tuple[int, ...]] = []
        self._pieces = 0

    def add(self, op: Op, *inputs: int) -> int:
        """Append ``op`` and return the number of its output."""
        before = [self.values[number] for number in inputs]
        op = balanced(op, before[0], self._rng) if self.balancedd else op
        self._ops.append(op)
        self._inputs.append(inputs)
        self.values.append(op.forward(*before))
        self._pieces += self.values[-1].size if isinstance(op, PiecewiseOperation) else 0
        return len(self._ops)

    def grown(self, kind: str, value: int, *, forced: bool = False) -> int:
        """Append an op of ``kind`` if one fits and return the number of the last value."""
        shape = self.values[value].shape[1:]
        for _ in range(20):
            op = MAKERS[kind](self._rng, shape, self._size, self._style)
            if forced or _fits(op, shape, self._size, self._pieces):
                return self.add(op, value)
        return value

    def like(self, skip: int, value: int) -> int | None:
        """Return the number of ``skip``, or of what a projection makes of it, in ``value``'s
        shape."""
        shape, wanted = (self.values[number].shape[1:] for number in (skip, value))
        if skip == value:
            return None
        for _ in range(50):
            if shape == wanted:
                return skip
            op = MAKERS["conv" if len(shape) == 3 else "linear"](
                self._rng, shape, self._size, self._style
            )
            if _fits(op, shape, self._size, self._pieces) and op.shape_after(shape) == wanted:
                return self.add(op, skip)
        return None

    def network(self, last: int) -> Network:
        """Return the network that ends in value ``last``, its ops in any order that can be.

        What does not lead to ``last`` is left out.
        """
        kept = {last}
        for position in range(last - 1, -1, -1):
            if position + 1 in kept:
                kept.update(self._inputs[position])
        waiting = {value - 1 for value in kept if value}
        numbers, order = {0: 0}, list[int]()
        while waiting:
            ready = [p for p in sorted(waiting) if all(v in numbers for v in self._inputs[p])]
            order.append(ready[int(self._rng.integers(len(ready)))])
            waiting.remove(order[-1])
            numbers[order[-1] + 1] = len(order)
        return Network(
            tuple(self._ops[position] for position in order),
            self.values[0].shape[1:],
            tuple(tuple(numbers[v] for v in self._inputs[position]) for position in order),
        )


def _fits(op: Op, shape: Shape, size: Size, pieces: int) -> bool:
    """Say whether ``op`` can follow: its output is not empty and not too large."""
    try:
        after = op.shape_after(shape)
    except NetworkError:
        return False
    units = int(np.prod(after))
    cost = units if isinstance(op, PiecewiseOperation) else 0
    small = isinstance(op, Flatten) or units <= size.units
    return min(after) >= 1 and small and pieces + cost <= size.pieces
