"""Random cases: networks of every op and odd geometries, images, layerings, radii, properties.

A strategy draws one seed, and plain functions make the case from it: cases spread evenly over all
choices, where drawing choice by choice would repeat the simplest ones. What they aim at is what
breaks verifiers: whole numbers (exact ties, bounds of exactly zero), dead units, mixed scales,
undecided units around the image, black and white pixels (clipped boxes), windows that overlap or
leave a rim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

from mlspec.core import forward
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network, Op, Pair, Shape
from mlspec.core.problem import Problem
from mlspec.core.property import DecisionRule, Property, Threshold, TopK
from mlspec.errors import NetworkError
from mlspec.ops.add import Add
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.operation import PiecewiseOperation
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from mlspec.ops.select import ZERO, Select
from mlspec.ops.weighted import Weighted

Rng = np.random.Generator
T = TypeVar("T")

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


@dataclass(frozen=True)
class Size:
    """Limits of random networks."""

    image: int
    """Height and width at most, and at least half of it."""
    channels: int
    labels: int
    """Outputs of a linear op at most."""
    pieces: int
    """ReLU units and pool windows at most, over all ops."""
    units: int
    """Values of one op's output at most."""
    only_relus: bool = False
    """Whether there are no other activations."""


TINY = Size(image=5, channels=2, labels=5, pieces=12, units=30)
"""Small enough to enumerate, with few moving pixels."""
SMALL = Size(image=9, channels=3, labels=6, pieces=400, units=400)
"""For laws that need no oracle."""


@dataclass(frozen=True, eq=False)
class Question:
    """A problem and a radius ``(K,)``."""

    problem: Problem
    eps: Array


def seeded(make: Callable[[Rng], T]) -> SearchStrategy[T]:
    """Return the strategy of everything that ``make`` returns."""
    return st.integers(0, 2**32 - 1).map(lambda seed: make(np.random.default_rng(seed)))


def networks(size: Size = SMALL) -> SearchStrategy[Network]:
    """Networks alone."""
    return seeded(lambda rng: random_network(rng, size, random_image(rng, image_shape(rng, size))))


def problems(
    size: Size = TINY, moving: int | None = 6, targets: int = 2
) -> SearchStrategy[Problem]:
    """Problems with at most ``moving`` moving values (None: any), up to ``targets`` targets."""
    return seeded(lambda rng: random_problem(rng, size, moving, targets))


def questions(
    size: Size = TINY, moving: int | None = 6, targets: int = 2
) -> SearchStrategy[Question]:
    """Problems with a radius."""

    def make(rng: Rng) -> Question:
        problem = random_problem(rng, size, moving, targets)
        return Question(problem, random_radius(rng, problem.layering.count))

    return seeded(make)


def one_of(rng: Rng, choices: tuple[T, ...]) -> T:
    """Return one of ``choices``."""
    return choices[int(rng.integers(len(choices)))]


def random_problem(rng: Rng, size: Size, moving: int | None, targets: int = 2) -> Problem:
    """Return a problem; its targets are mostly predicted labels."""
    image = random_image(rng, image_shape(rng, size))
    network = random_network(rng, size, image)
    channels, height, width = image.shape
    most = height * width if moving is None else max(1, moving // channels)
    layering = random_layering(rng, _by_influence(rng, network, image), most)
    scores = forward.scores(network, image[None])[0]
    return problem_of(network, image, layering, random_property(rng, scores, targets))


def problem_of(network: Network, image: Array, layering: Layering, property_: Property) -> Problem:
    """Return the problem; all layers weigh the same."""
    mask = np.asarray(layering.index == 0)
    return Problem(
        network=network,
        image=image,
        object_mask=mask,
        layering=layering,
        property=property_,
        weights=np.ones(layering.count),
        label_names=tuple(str(label) for label in range(network.labels)),
    )


def image_shape(rng: Rng, size: Size) -> Shape:
    """Return ``(C, H, W)``."""
    return (int(rng.integers(1, 3)), *_pair(rng, 1 + size.image // 2, size.image))


def random_image(rng: Rng, shape: Shape) -> Array:
    """Return grey noise, black and white, all black, or a mixture of noise and extremes."""
    noise = rng.random(shape)
    extremes = np.round(noise)
    mixture = np.where(rng.random(shape) < 0.5, extremes, noise)
    return one_of(rng, (noise, extremes, np.zeros(shape), mixture, mixture))


def random_layering(rng: Rng, order: NDArray[np.int64], moving: int) -> Layering:
    """Return 1 to 3 layers over the first ``moving`` pixels of ``order`` ``(H, W)``."""
    count = int(rng.integers(1, 4))
    index = rng.integers(0, count, order.shape)
    index[order >= max(1, int(moving * rng.uniform(0.6, 1.01)))] = Layering.FIXED
    return Layering(index.astype(np.int16), count)


def _by_influence(rng: Rng, network: Network, image: Array) -> NDArray[np.int64]:
    """Return a number for each pixel ``(H, W)``, random, but lower where it moves the scores."""
    height, width = image.shape[1:]
    moved = np.repeat(image[None], height * width, axis=0)
    for number, (y, x) in enumerate(np.ndindex(height, width)):
        moved[number, :, y, x] = np.where(image[:, y, x] < 0.5, 0.9, 0.1)
    change = np.abs(forward.scores(network, moved) - forward.scores(network, image[None])).max(
        axis=1
    )
    order = np.argsort((change == 0.0) + rng.random(height * width) * 0.9)
    return np.argsort(order).reshape(height, width)


def random_radius(rng: Rng, count: int) -> Array:
    """Return ``(count,)`` in [0, 1], mostly of one scale; now and then zero, tiny or everything."""
    radius = np.full(count, one_of(rng, (0.02, 0.1, 0.3, 0.6, 1.0)))
    if rng.random() < 0.6:
        return np.asarray(radius * rng.random(count))
    odd = rng.random(count) < 0.3
    radius[odd] = rng.choice([0.0, 1e-9, 1e-6, 0.5, 1.0], int(odd.sum()))
    return radius


def random_rule(rng: Rng, scores: Array) -> DecisionRule:
    """Return a decision rule; thresholds lie near the clean scores ``(M,)``."""
    if rng.random() < 0.2:
        return Threshold(tuple((scores - one_of(rng, (0.1, 0.1, 1.0, 0.0))).tolist()))
    return TopK(int(rng.integers(1, min(3, len(scores) - 1) + 1)))


def random_property(rng: Rng, scores: Array, targets: int) -> Property:
    """Return a property of which the clean ``scores`` ``(M,)`` mostly satisfy every claim."""
    rule = random_rule(rng, scores)
    best = np.argsort(-scores)
    predicted = rule.k if isinstance(rule, TopK) else len(scores)
    pool = best if rng.random() < 0.1 else best[:predicted]
    chosen = rng.permutation(pool)[: rng.integers(1, targets + 1)]
    return Property(rule, tuple(int(label) for label in chosen), len(scores))


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
        self._rng, self._size, self._style, self._balanced = rng, size, style, balanced
        self.values = [image[None]]
        self._ops: list[Op] = []
        self._inputs: list[tuple[int, ...]] = []
        self._pieces = 0

    def add(self, op: Op, *inputs: int) -> int:
        """Append ``op`` and return the number of its output."""
        before = [self.values[number] for number in inputs]
        op = _balance(op, before[0], self._rng) if self._balanced else op
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


def parameters(rng: Rng, style: str, *shape: int) -> Array:
    """Return an array of random parameters."""
    values = rng.normal(size=shape)
    match style:
        case "integer":
            values = np.round(values * 1.5)
        case "sparse":
            values = values * (rng.random(shape) < 0.4)
        case "mixed":
            values = values * 10.0 ** rng.integers(-2, 2, shape)
    return np.asarray(values, dtype=np.float64)


def _balance(op: Op, value: Array, rng: Rng) -> Op:
    """Shift the biases of an affine op so that its output at ``value`` is near 0."""
    if not isinstance(op, Weighted):
        return op
    after = op.forward(value)[0]
    mean = after.reshape(len(after), -1).mean(axis=1)
    noise = rng.normal(size=len(mean)) * one_of(rng, (0.3,) * 6 + (0.0,))
    shift = (noise - mean).reshape(-1, *[1] * (after.ndim - 1 if isinstance(op, Scale) else 0))
    return replace(op, bias=op.bias + shift)


def _pair(rng: Rng, least: int, most: int) -> Pair:
    return int(rng.integers(least, most + 1)), int(rng.integers(least, most + 1))


def _stride(rng: Rng) -> Pair:
    return one_of(rng, (1, 1, 1, 2, 3)), one_of(rng, (1, 1, 1, 2, 3))


def _conv(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    outputs = int(rng.integers(1, size.channels + 1))
    groups = shape[0] if outputs % shape[0] == 0 and rng.random() < 0.2 else 1
    weight = parameters(rng, style, outputs, shape[0] // groups, *_pair(rng, 1, 3))
    bias = _bias(rng, outputs, style)
    return Conv(weight, bias, _stride(rng), _pair(rng, 0, 2), groups)


def _same(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    """Return a conv that keeps the shape."""
    (py, px) = _pair(rng, 0, 1)
    weight = parameters(rng, style, shape[0], shape[0], 2 * py + 1, 2 * px + 1)
    return Conv(weight, _bias(rng, shape[0], style), (1, 1), (py, px))


def _average(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    (kh, kw) = _pair(rng, 1, 3)
    weight = np.full((shape[0], 1, kh, kw), 1.0 / (kh * kw))
    padding = int(rng.integers(0, kh)) // 2, int(rng.integers(0, kw)) // 2
    return Conv(weight, np.zeros(shape[0]), _stride(rng), padding, groups=shape[0])


def _scale(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    per_channel = (shape[0], *[1] * (len(shape) - 1))
    weight = one_of(rng, (per_channel, per_channel, (1,) * len(shape), shape))
    return Scale(parameters(rng, style, *weight), parameters(rng, style, *per_channel))


def _linear(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    outputs = int(rng.integers(2, size.labels + 1))
    return Linear(parameters(rng, style, outputs, shape[0]), _bias(rng, outputs, style))


def _bias(rng: Rng, outputs: int, style: str) -> Array:
    return parameters(rng, style, outputs) * rng.integers(0, 2)


def _pool(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    return MaxPool(_pair(rng, 1, 3), _stride(rng), relu=bool(rng.random() < 0.1))


def _activation(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    """Return mostly a ReLU."""
    if size.only_relus:
        return Relu()
    leaky = LeakyRelu(one_of(rng, (0.01, 0.25, 0.9)))
    low = one_of(rng, (0.0, 0.0, -1.0, 0.25, -np.inf))
    clip = Clip(low, max(low, 0.0) + one_of(rng, (1.0, 0.125, 6.0)))
    return one_of(rng, (*(Relu(),) * 6, leaky, clip, clip, Clip(0.5)))


def _channels(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    """Return a choice of whole channels, some of them 0."""
    units = np.arange(np.prod(shape)).reshape(shape)
    outputs = one_of(rng, (shape[0], int(rng.integers(1, size.channels + 1))))
    index = units[rng.integers(0, shape[0], outputs)]
    return Select(np.where(rng.random((outputs, 1, 1)) < 0.2, ZERO, index))


def _select(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    """Return another order, a crop, a rim of zeros, or any choice."""
    units = np.arange(np.prod(shape)).reshape(shape)
    sizes = [int(rng.integers(1, each + 2)) for each in shape]
    anything = rng.integers(ZERO, units.size, sizes)
    padded = np.pad(units, [(0, int(rng.integers(0, 2))) for _ in shape], constant_values=ZERO)
    choices = rng.permutation(units.ravel()).reshape(shape), units[..., ::-1], units[..., :1]
    return Select(one_of(rng, (*choices, padded, anything, units.swapaxes(0, -1))))


MAKERS: dict[str, Callable[[Rng, Shape, Size, str], Op]] = {
    "conv": _conv,
    "pool": _pool,
    "linear": _linear,
    "same": _same,
    "average": _average,
    "channels": _channels,
    "select": _select,
    "scale": _scale,
    "relu": _activation,
    "flatten": lambda rng, shape, size, style: Flatten(),
}


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


Mask = NDArray[np.bool_]


def masks() -> SearchStrategy[Mask]:
    """Object masks ``(H, W)`` with at least one pixel."""

    def make(rng: Rng) -> Mask:
        mask = rng.random(_pair(rng, 1, 9)) < one_of(rng, (0.02, 0.1, 0.5, 1.0))
        mask.flat[int(rng.integers(mask.size))] = True
        return np.asarray(mask)

    return seeded(make)
