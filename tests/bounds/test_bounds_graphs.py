"""Bounds where branches meet: as exact as those of the same function written as a chain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from bounding import Bounding
from hypothesis.strategies import SearchStrategy
from law import law
from oracles import points
from random_ops import SMALL, Rng, one_of, parameters
from strategies import Question, problem_of, questions, seeded

from mlspec.bounds import patches, propagation
from mlspec.bounds.crown import Crown
from mlspec.bounds.domain import Boxes
from mlspec.core import forward
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.property import Property, TopK
from mlspec.ops.add import Add
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.operation import Relaxation
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from mlspec.tensors import TensorNetwork

Twins = tuple[Network, Network, dict[int, int]]
"""A residual network, the same function as a chain, and which ReLU is which (by position)."""


def twins() -> SearchStrategy[Twins]:
    """Residual branches that one conv or linear op can express."""
    return seeded(lambda rng: one_of(rng, (_same_shape, _projected, _vector))(rng))


def _same_shape(rng: Rng) -> Twins:
    """``conv x + x``: the identity is a kernel with a 1 in its middle."""
    first, last = _first(rng), _last(rng, 3 * 7 * 6)
    conv = Conv(parameters(rng, "normal", 3, 3, 3, 5), rng.normal(size=3), (1, 1), (1, 2))
    whole = conv.weight.copy()
    whole[range(3), range(3), 1, 2] += 1.0
    graph = (first, Relu(), conv, Add(), Relu(), Flatten(), last)
    inputs = ((0,), (1,), (2,), (3, 2), (4,), (5,), (6,))
    chain = (first, Relu(), Conv(whole, conv.bias, (1, 1), (1, 2)), Relu(), Flatten(), last)
    return Network(graph, (2, 7, 6), inputs), Network(chain, (2, 7, 6)), {1: 1, 4: 3}


def _projected(rng: Rng) -> Twins:
    """Strided branches: a 3×3 kernel beside a scaled 1×1 or 2×2 kernel without padding."""
    first, last = _first(rng), _last(rng, 4 * 3 * 4)
    wide = Conv(rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4), (2, 2), (1, 1))
    rows, columns = rng.integers(1, 3, 2)
    narrow = Conv(rng.normal(size=(4, 3, rows, columns)), rng.normal(size=4), (2, 2))
    scale = Scale(rng.normal(size=(4, 1, 1)), rng.normal(size=(4, 1, 1)))
    whole = wide.weight.copy()
    whole[:, :, 1 : 1 + rows, 1 : 1 + columns] += scale.weight[:, None] * narrow.weight
    bias = wide.bias + scale.weight.ravel() * narrow.bias + scale.bias.ravel()
    graph = (first, Relu(), narrow, scale, wide, Add(), Relu(), Flatten(), last)
    inputs = ((0,), (1,), (2,), (3,), (2,), (4, 5), (6,), (7,), (8,))
    chain = (first, Relu(), Conv(whole, bias, (2, 2), (1, 1)), Relu(), Flatten(), last)
    return Network(graph, (2, 6, 8), inputs), Network(chain, (2, 6, 8)), {1: 1, 6: 3}


def _vector(rng: Rng) -> Twins:
    """``W x + x + x`` of a vector."""
    first, last = Linear(rng.normal(size=(6, 8)), rng.normal(size=6)), _last(rng, 6)
    linear = Linear(rng.normal(size=(6, 6)), rng.normal(size=6))
    whole = Linear(linear.weight + 2.0 * np.eye(6), linear.bias)
    graph = (Flatten(), first, Relu(), linear, Add(), Relu(), last)
    inputs = ((0,), (1,), (2,), (3,), (3, 4, 3), (5,), (6,))
    chain = (Flatten(), first, Relu(), whole, Relu(), last)
    return Network(graph, (1, 2, 4), inputs), Network(chain, (1, 2, 4)), {2: 2, 5: 4}


def _first(rng: Rng) -> Conv:
    return Conv(rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3), (1, 1), (1, 1))


def _last(rng: Rng, units: int) -> Linear:
    return Linear(rng.normal(size=(3, units)), rng.normal(size=3))


def box_around(network: Network, seed: int, radius: float = 0.1) -> tuple[torch.Tensor, ...]:
    image = np.random.default_rng(seed).random((1, *network.input_shape))
    return torch.as_tensor(image - radius), torch.as_tensor(image + radius)


@law(twins(), quick=60, deep=1000)
def test_rows_through_a_residual_are_those_of_the_chain(case: Twins) -> None:
    graph, chain, relus = case
    images = np.random.default_rng(0).random((5, *graph.input_shape))
    np.testing.assert_allclose(
        forward.scores(graph, images), forward.scores(chain, images), atol=1e-9
    )
    net, plain = (TensorNetwork(each, torch.float64) for each in (graph, chain))
    lower, upper = box_around(graph, 1)
    known, of_chain = (Crown().intermediate(each, Boxes(lower, upper)) for each in (net, plain))
    lines = propagation.default_relaxations(plain, of_chain)
    moved: Mapping[int, Relaxation] = {ours: lines[theirs] for ours, theirs in relus.items()}
    rows = torch.eye(3, dtype=torch.float64)[None]
    ours = propagation.backward(net, rows, len(graph.ops), moved, known)
    theirs = propagation.backward(plain, rows, len(chain.ops), lines, of_chain)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@law(twins(), quick=60, deep=1000)
def test_local_rows_of_a_residual_are_those_of_the_chain_for_any_slopes(case: Twins) -> None:
    graph, chain, relus = case
    net, plain = (TensorNetwork(each, torch.float64) for each in (graph, chain))
    (first, first_plain), (second, second_plain) = relus.items()
    if len(graph.shape_of(second)) == 1:
        assert not patches.applies(net, second)
        return
    lower, upper = box_around(graph, 2)
    known, of_chain = (Crown().intermediate(each, Boxes(lower, upper)) for each in (net, plain))
    lines = propagation.default_relaxations(plain, of_chain)
    lines = {n: line for n, line in lines.items() if n == first_plain}
    one = {first: lines[first_plain]}
    boxes = Boxes(lower, upper)
    local = patches.LocalRows(propagation.RelaxedNetwork(net, known, one, boxes), second)
    alone = propagation.RelaxedNetwork(plain, of_chain, lines, boxes)
    whole = patches.LocalRows(alone, second_plain)
    (start,), (plain_start,) = local.first()[first], whole.first()[first_plain]
    assert start.shape == plain_start.shape
    slopes = torch.as_tensor(np.random.default_rng(3).random(tuple(start.shape)))
    for ours, theirs in (({}, {}), ({first: (slopes,)}, {first_plain: (slopes,)})):
        np.testing.assert_allclose(local.minimum(ours), whole.minimum(theirs), rtol=1e-9, atol=1e-9)


@law(questions(SMALL, None), quick=20, deep=500)
def test_positions_bounded_in_parts_are_bounded_alike(question: Question) -> None:
    net = TensorNetwork(question.problem.relaxed, torch.float64)
    boxes = [question.problem.neighborhood(share * question.eps).box for share in (1.0, 0.5)]
    lower = net.tensor(np.stack([box.lower for box in boxes]))
    upper = net.tensor(np.stack([box.upper for box in boxes]))
    together = Crown().intermediate(net, Boxes(lower, upper))
    parts = Crown(rows_at_once=7, cells_at_once=500).intermediate(net, Boxes(lower, upper))
    for ours, theirs in zip(
        [*parts.lower, *parts.upper], [*together.lower, *together.upper], strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def assert_sound(network: Network, seed: int, radius: float) -> None:
    image = np.random.default_rng(seed).random(network.input_shape)
    layering = Layering(np.zeros(network.input_shape[1:], dtype=np.int16), 1)
    problem = problem_of(network, image, layering, Property(TopK(1), (0,), network.labels))
    box = problem.neighborhood(np.array([radius])).box
    bounder = Bounding(problem.relaxed, problem.property, 5)
    interval, linear = bounder.interval(box), bounder.crown(box)
    images = points(box, np.random.default_rng(seed), 100)
    values = forward.values(problem.relaxed, images)
    for analysis in (interval, linear, bounder.alpha(linear)):
        bounds = analysis.bounds()
        for value, low, up in zip(values, bounds.lower, bounds.upper, strict=True):
            assert (value >= low - 1e-9).all()
            assert (value <= up + 1e-9).all()
    assert linear.margin >= interval.margin


def strides_apart() -> Network:
    """One branch halves by stride, the other by leaving out the rim: windows of no one stride."""
    rng = np.random.default_rng(0)
    strided = Conv(rng.normal(size=(2, 2, 1, 1)), rng.normal(size=2), (2, 2))
    cropped = Conv(rng.normal(size=(2, 2, 3, 3)), rng.normal(size=2))
    first = Conv(rng.normal(size=(2, 1, 3, 3)), rng.normal(size=2), (1, 1), (1, 1))
    last = Linear(rng.normal(size=(3, 8)), rng.normal(size=3))
    ops: tuple[object, ...] = (first, Relu(), strided, cropped, Add(), Relu(), Flatten(), last)
    inputs = ((0,), (1,), (2,), (2,), (3, 4), (5,), (6,), (7,))
    return Network(ops, (1, 4, 4), inputs)


def test_branches_of_different_strides_are_bounded_by_dense_rows() -> None:
    network = strides_apart()
    net = TensorNetwork(network, torch.float64)
    assert patches.applies(net, 4)
    assert not patches.applies(net, 5)
    for seed in range(5):
        assert_sound(network, seed, 0.2)


def test_a_difference_of_branches_is_seen_through() -> None:
    """``relu(x) - relu(x) + 1``: rows cancel where they meet, intervals do not."""
    one = Scale(np.ones((1, 1, 1)), np.full((1, 1, 1), -0.5))
    minus = Scale(np.full((1, 1, 1), -1.0), np.zeros((1, 1, 1)))
    last = Linear(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([1.0, 0.0]))
    ops = (one, Relu(), minus, Add(), Flatten(), last)
    network = Network(ops, (1, 1, 2), ((0,), (1,), (2,), (2, 3), (4,), (5,)))
    bounder = Bounding(network, Property(TopK(1), (0,), 2), 5)
    layering = Layering(np.zeros((1, 2), dtype=np.int16), 1)
    problem = problem_of(network, np.full((1, 1, 2), 0.5), layering, Property(TopK(1), (0,), 2))
    box = problem.neighborhood(np.array([0.5])).box
    assert bounder.interval(box).margin == pytest.approx(0.0)
    assert bounder.crown(box).margin == pytest.approx(1.0)


def test_blocks_in_a_row_keep_their_bounds_sound() -> None:
    rng = np.random.default_rng(1)

    def conv(channels: int, filters: int, size: int, stride: int = 1) -> Conv:
        weight: Array = rng.normal(size=(filters, channels, size, size)) * 0.5
        return Conv(
            weight, rng.normal(size=filters) * 0.1, (stride, stride), (size // 2, size // 2)
        )

    average = Conv(np.full((3, 1, 2, 2), 0.25), np.zeros(3), (2, 2), groups=3)
    ops = (
        Scale(np.full((1, 1, 1), 2.0), np.full((1, 1, 1), -0.7)),
        *(conv(1, 2, 3), Relu(), conv(2, 3, 3, 2), Relu(), conv(3, 3, 3), conv(2, 3, 1, 2), Add()),
        *(Relu(), conv(3, 3, 3), Relu(), conv(3, 3, 3), Add(), Relu(), average, Flatten()),
        Linear(rng.normal(size=(3, 12)), rng.normal(size=3)),
    )
    inputs = (
        *((0,), (1,), (2,), (3,), (4,), (5,), (3,), (6, 7)),
        *((8,), (9,), (10,), (11,), (12, 9), (13,), (14,), (15,), (16,)),
    )
    network = Network(ops, (1, 8, 8), inputs)
    for seed, radius in enumerate((0.0, 0.01, 0.05, 0.3)):
        assert_sound(network, seed, radius)
