"""Bounds hold in exact arithmetic, without any slack: against rational numbers.

Over a box that is hardly more than a point, bounds and values differ by rounding alone, so that
every error that is not accounted for shows at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from bounding import Bounding
from law import law
from oracles import points
from random_ops import TINY, Rng, one_of
from soundness import exact
from soundness.rounding import WIDTHS, hard_question
from strategies import Question, questions, seeded

from mlspec.bounds.crown import Crown
from mlspec.bounds.domain import Boxes, Hull
from mlspec.bounds.lost import Lost
from mlspec.bounds.propagation import minimum
from mlspec.core.network import Array, Shape
from mlspec.core.problem import Problem
from mlspec.ops.add import Add
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.operation import Operation, TensorOp, piecewise_of
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from mlspec.rounding import EXACT, ParameterError
from mlspec.tensors import TensorNetwork

ITERATIONS = 6


def images(question: Question) -> Array:
    """Return the image and two corners of the box."""
    box = question.problem.neighborhood(question.eps).box
    rng = np.random.default_rng(0)
    corner = np.where(rng.random(box.lower.shape) < 0.5, box.lower, box.upper)
    return np.stack([question.problem.image, corner, *points(box, rng, 1)[:1]])


def margin(problem: Problem, image: Array) -> Fraction:
    """Return the exact margin of the network as it was read, before ops are joined."""
    return exact.margin(problem.network, problem.property, image)


@law(seeded(hard_question), quick=150, deep=6000)
def test_bounds_hold_in_exact_arithmetic(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    bounder = Bounding(problem.relaxed, problem.property, ITERATIONS)
    tried = images(question)
    least = min(margin(problem, image) for image in tried)
    found = bounder.all(box)
    for kind, analysis in found.items():
        assert analysis.margin == -np.inf or Fraction(analysis.margin) <= least, kind
    certified = bounder.slopes(box)[0]
    assert certified == -np.inf or Fraction(certified) <= least
    for image in tried:
        for number, value in enumerate(exact.values(problem.relaxed, image)):
            for kind, analysis in found.items():
                bounds = analysis.bounds()
                lower, upper = (
                    exact.fractions(ends[number]) for ends in (bounds.lower, bounds.upper)
                )
                assert (lower <= value).all(), (kind, number)
                assert (value <= upper).all(), (kind, number)


@law(questions(TINY), quick=40, deep=1000)
def test_bounds_over_a_hull_hold_in_exact_arithmetic(question: Question) -> None:
    problem = question.problem
    corners = problem.neighborhood(question.eps).sample(np.random.default_rng(0), 2)
    net = TensorNetwork(problem.relaxed, torch.float64)
    hull = Crown().intermediate(net, Hull(net.tensor(corners)))
    for image in corners:
        values = exact.values(problem.relaxed, image)
        for value, low, up in zip(values, hull.lower, hull.upper, strict=True):
            assert (exact.fractions(low[0].numpy()) <= value).all()
            assert (value <= exact.fractions(up[0].numpy())).all()


@dataclass(frozen=True, eq=False)
class Step:
    """One op, over boxes of its inputs, and rows over its output."""

    op: Operation
    lower: list[Array]
    upper: list[Array]
    rows: Array


def step(rng: Rng) -> Step:
    """Return a step of some op, with numbers of mixed sizes."""
    shape: Shape = (4, 4, 5)
    ops: tuple[tuple[Operation, Shape], ...] = (
        (Linear(mixed(rng, 3, 7), mixed(rng, 3), error=some_error(rng)), (7,)),
        (Conv(mixed(rng, 4, 2, 3, 2), mixed(rng, 4), (2, 1), (1, 1), groups=2), shape),
        (Scale(mixed(rng, 4, 1, 1), mixed(rng, 4, 1, 1)), shape),
        (Scale(mixed(rng, 5), mixed(rng, 5)), (5,)),
        (Add(), (6,)),
        (Relu(), (30,)),
        (LeakyRelu(0.3), (30,)),
        (Clip(-0.7, 0.9), (30,)),
        (Clip(high=0.9), (30,)),
        (Clip(low=-0.7), (30,)),
        (MaxPool((2, 2), (1, 2)), shape),
        (MaxPool((3, 2), (2, 1), relu=True), shape),
    )
    op, shape = ops[int(rng.integers(len(ops)))]
    lower, upper = [], []
    for _ in range(2 if op.reads_several else 1):
        width = np.abs(mixed(rng, *shape)) * one_of(rng, WIDTHS)
        lower.append(mixed(rng, *shape))
        upper.append(lower[-1] + width)
    rows = mixed(rng, 2, *op.shape_after(*[shape] * len(lower)))
    return Step(op, lower, upper, rows)


def mixed(rng: Rng, *shape: int) -> Array:
    """Return numbers of about one size, some of them much larger."""
    return rng.normal(size=shape) * np.where(rng.random(shape) < 0.1, 1e6, 1.0)


def some_error(rng: Rng) -> ParameterError:
    return one_of(rng, (EXACT, ParameterError(1, 1e-13)))


@law(seeded(step), quick=400, deep=20000)
def test_one_step_of_each_op_holds_in_exact_arithmetic(case: Step) -> None:
    op, ends = case.op, (case.lower, case.upper)
    low, up = ([torch.as_tensor(each[None]) for each in side] for side in ends)
    parameters = tuple(torch.as_tensor(each) for each in op.parameters)
    shape = case.lower[0].shape
    out = op.shape_after(*[shape] * len(low))
    item = TensorOp(op, tuple(range(len(low))), shape, out, parameters)
    rows = torch.as_tensor(case.rows[None])
    error = op.backward_error(item, low, up)
    relaxed = piecewise_of(op)
    relaxation = None if relaxed is None else relaxed.relaxed(item, low[0], up[0])
    lost = Lost()
    if relaxation is None:
        lost.of_rows(rows, error)
    else:
        relaxation = relaxation.moved_apart(error)
    before, shift = op.backward(item, rows, relaxation)
    bias = lost.taken_from(rows.new_zeros(1, 2) if shift is None else shift)[0]
    interval = op.interval(item, low, up)
    rng = np.random.default_rng(0)
    for chosen in (np.zeros, np.ones, lambda size: rng.random(size).round(), rng.random):
        shares = [chosen(each.shape) for each in case.lower]
        inputs = [
            exact.fractions(np.clip(a + share * (b - a), a, b))
            for a, b, share in zip(*ends, shares, strict=True)
        ]
        value = exact.output(op, *inputs)
        assert (exact.fractions(interval[0][0].numpy()) <= value).all()
        assert (value <= exact.fractions(interval[1][0].numpy())).all()
        for row, coefficients, constant in zip(case.rows, before[0], bias, strict=True):
            true = (exact.fractions(row) * value).sum()
            claimed = (exact.fractions(coefficients.numpy()) * sum(inputs)).sum()
            assert claimed + Fraction(float(constant)) <= true, op


@law(seeded(step), quick=200, deep=5000)
def test_what_a_relaxed_op_carries_covers_the_rows_before_it(case: Step) -> None:
    op = piecewise_of(case.op)
    if op is None:
        return
    low, up = (torch.as_tensor(side[0][None]) for side in (case.lower, case.upper))
    shape = case.lower[0].shape
    item = TensorOp(op, (0,), shape, op.shape_after(shape), ())
    rng = np.random.default_rng(0)
    rows, errors = torch.as_tensor(case.rows[None]), torch.as_tensor(rng.random((1, *shape)))
    carried = op.carried(item, low, up, errors)
    first = op.start(item, low, up)
    for free in (first, tuple(torch.as_tensor(rng.normal(size=each.shape)) for each in first)):
        before, _ = op.backward(item, rows, op.relax(item, low, up, free))
        cost, paid = (
            (each.abs() * error[:, None]).flatten(2).sum(-1)
            for each, error in ((before, errors), (rows, carried))
        )
        assert (cost <= paid * (1 + 1e-12)).all(), op


def domains(rng: Rng) -> tuple[Array, Array, Array]:
    """Return rows over images, and two images."""
    first = rng.random((1, 4, 5))
    return mixed(rng, 3, 1, 4, 5), first, first + rng.normal(size=first.shape) * one_of(rng, WIDTHS)


@law(seeded(domains), quick=200, deep=5000)
def test_minima_over_images_hold_in_exact_arithmetic(case: tuple[Array, Array, Array]) -> None:
    rows, *pair = case
    low, up = np.minimum(*pair), np.maximum(*pair)
    biases = rows[:, 0, 0, 0] / 3.0
    given = torch.as_tensor(rows[None]), torch.as_tensor(biases[None])
    box = minimum(*given, Boxes(torch.as_tensor(low[None]), torch.as_tensor(up[None])))[0]
    hull = minimum(*given, Hull(torch.as_tensor(np.stack(pair))))[0]
    for row, bias, of_box, of_hull in zip(rows, biases, box, hull, strict=True):
        a, b, c = (exact.fractions(each) for each in (row, low, up))
        assert Fraction(float(of_box)) <= np.minimum(a * b, a * c).sum() + Fraction(bias)
        least = min((a * exact.fractions(each)).sum() for each in pair)
        assert Fraction(float(of_hull)) <= least + Fraction(bias)
