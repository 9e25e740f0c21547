"""Laws of bounds: nothing inside a box ever lies outside its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from bounding import Bounding
from hypothesis import assume
from law import law
from oracles import ORACLE_ERROR, TooManyCellsError, level, minimum, points
from random_ops import SMALL
from strategies import Question, questions

from mlspec.bounds import patches, propagation
from mlspec.bounds.analysis import Analysis
from mlspec.bounds.crown import Crown
from mlspec.bounds.domain import Boxes, Hull
from mlspec.core import forward
from mlspec.core.deadline import Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.property import Property, TopK
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from mlspec.tensors import TensorNetwork
from mlspec.tolerances import ROBUST_MARGIN

ROUNDING = 1e-10
ITERATIONS = 8
CELLS = Crown().cells_at_once


def analyses(question: Question) -> dict[str, Analysis]:
    """Return what each kind of bounds says of the question's box."""
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    return Bounding(problem.relaxed, problem.property, ITERATIONS).all(box)


def assert_within(value: Array, lower: Array, upper: Array, what: str) -> None:
    slack = ROUNDING * (1.0 + np.abs(value))
    assert (value >= lower - slack).all(), f"{what}: below by {(lower - value).max()}"
    assert (value <= upper + slack).all(), f"{what}: above by {(value - upper).max()}"


@law(questions(SMALL, None), quick=120, deep=3000)
def test_every_value_of_every_point_lies_within_the_bounds(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    values = forward.values(problem.relaxed, points(box, np.random.default_rng(0)))
    for kind, analysis in analyses(question).items():
        bounds = analysis.bounds()
        ends = zip(values, bounds.lower, bounds.upper, strict=True)
        for number, (value, low, up) in enumerate(ends):
            assert low.shape == up.shape == value.shape[1:]
            assert np.isfinite(low).all()
            assert np.isfinite(up).all()
            assert_within(value, low, up, f"{kind}: value {number}")


@law(questions(SMALL, None), quick=40, deep=1500)
def test_bounds_over_a_hull_hold_for_its_convex_combinations(question: Question) -> None:
    problem = question.problem
    rng = np.random.default_rng(0)
    corners = problem.neighborhood(question.eps).sample(rng, 3)
    net = TensorNetwork(problem.relaxed, torch.float64)
    hull = Crown().intermediate(net, Hull(net.tensor(corners)))
    shares = np.concatenate([np.eye(3), rng.dirichlet(np.ones(3), 30)])
    inside = np.einsum("sv,vchw->schw", shares, corners)
    values = forward.values(problem.relaxed, inside)
    for number, value in enumerate(values):
        assert_within(
            value, hull.lower[number][0].numpy(), hull.upper[number][0].numpy(), f"value {number}"
        )
    # What is affine in the image is least at a corner, and known exactly where that matters.
    if not net.piecewise:
        return
    position = min(net.piecewise)
    first, op = net.ops[position], net.piecewise[position]
    ends = hull.lower[first.source], hull.upper[first.source]
    matters = np.ones(ends[0][0].shape, dtype=bool)
    if patches.applies(net, first.source):
        matters &= op.open_positions(*ends)[0].reshape(1, *matters.shape[1:]).numpy()
    corner = values[first.source][:3]
    for end, attained in zip(ends, (corner.min(0), corner.max(0)), strict=True):
        known = end[0].numpy()[matters]
        np.testing.assert_allclose(known, attained[matters], rtol=1e-9, atol=1e-9)


PASSED = Deadline(0.0)


@dataclass(frozen=True)
class Countdown(Deadline):
    """A deadline that has passed once it was looked at so many times."""

    looks: list[int] = field(default_factory=lambda: [0])

    @property
    def left(self) -> float:
        self.looks[0] -= 1
        return float(self.looks[0])


@law(questions(SMALL, None), quick=40, deep=1000)
def test_past_a_deadline_bounds_are_looser_and_hold(question: Question) -> None:
    problem, rng = question.problem, np.random.default_rng(0)
    box = problem.neighborhood(question.eps).box
    bounder = Bounding(problem.relaxed, problem.property, ITERATIONS)
    values = forward.values(problem.relaxed, points(box, rng))
    margin = problem.margin(points(box, rng)).min()
    interval, linear = bounder.interval(box), bounder.crown(box)
    for deadline in (PASSED, *(Countdown(looks=[int(rng.integers(1, 12))]) for _ in range(4))):
        early = bounder.crown(box, deadline)
        for analysis in (early, bounder.alpha(early, deadline), bounder.alpha(linear, deadline)):
            bounds = analysis.bounds()
            for number, value in enumerate(values):
                assert_within(value, bounds.lower[number], bounds.upper[number], "early")
            assert analysis.margin <= margin + ROUNDING * (1.0 + abs(margin))
        assert bounder.slopes(box, deadline)[0] <= margin + ROUNDING * (1.0 + abs(margin))
    for ours, theirs in zip(
        bounder.crown(box, PASSED).bounds().lower, interval.bounds().lower, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    late = bounder.alpha(linear, PASSED)
    assert late.margin == linear.margin
    for ours, theirs in zip(late.bounds().lower, linear.bounds().lower, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@law(questions(SMALL, None), quick=60, deep=2000)
def test_bounds_only_get_tighter_from_interval_to_crown_to_alpha(question: Question) -> None:
    found = analyses(question)
    for looser, tighter in (
        ("interval", "crown"),
        ("crown", "alpha"),
        ("interval", "alpha of interval"),
    ):
        for position, (low, up) in enumerate(
            zip(found[tighter].bounds().lower, found[tighter].bounds().upper, strict=True)
        ):
            outer = found[looser].bounds()
            assert_within(low, outer.lower[position], np.inf, f"{tighter} of {position}")
            assert_within(up, -np.inf, outer.upper[position], f"{tighter} of {position}")
    assert found["alpha"].margin >= found["crown"].margin
    assert found["alpha of interval"].margin >= found["interval"].margin


@law(questions(), quick=150, deep=4000)
def test_a_certified_margin_is_never_above_the_true_minimum(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    try:
        true = [minimum(problem.network, box, claim).margin for claim in problem.property.claims]
    except TooManyCellsError:
        assume(False)
    for kind, analysis in analyses(question).items():
        assert analysis.margin <= min(true) + ORACLE_ERROR, kind
        for item, margin in zip(analysis.claims, true, strict=True):
            assert item.margin <= margin + ORACLE_ERROR, kind
        if analysis.robust:
            assert min(true) > 0.0, kind


@law(questions(), quick=100, deep=2000)
def test_closed_subsets_of_margins_cannot_be_violated_together(question: Question) -> None:
    """Each subset that bounds do not leave open is positive, also alone, at every point."""
    problem = question.problem
    images = points(problem.neighborhood(question.eps).box, np.random.default_rng(0))
    scores = forward.scores(problem.network, images)
    for kind, analysis in analyses(question).items():
        for item in analysis.claims:
            margins = item.claim.margins(scores)
            every = np.ones(margins.shape[1], dtype=bool)
            for subset in item.claim.subsets(every):
                largest = margins[:, list(subset)].max(axis=1).min()
                if subset in item.subsets:
                    assert item.subsets[subset] <= largest + ROUNDING, kind
                else:
                    assert largest > ROBUST_MARGIN - ROUNDING, (kind, subset)
                    assert item.closed <= largest + ROUNDING * (1 + abs(largest)), (kind, subset)


@law(questions(SMALL, None), quick=60, deep=2000)
def test_local_rows_bound_a_map_exactly_as_dense_rows_do(question: Question) -> None:
    problem = question.problem
    net = TensorNetwork(problem.relaxed, torch.float64)
    sizes = [problem.neighborhood(scale * question.eps).box for scale in (1.0, 0.3)]
    lower = net.tensor(np.stack([box.lower for box in sizes]))
    upper = net.tensor(np.stack([box.upper for box in sizes]))
    boxes = Boxes(lower, upper)
    known = Crown().intermediate(net, boxes)
    lines = propagation.default_relaxations(net, known)
    for value in range(1, len(net.ops) + 1):
        if not patches.applies(net, value):
            continue
        before = {number: line for number, line in lines.items() if number < value}
        shape = net.network.shape_of(value)
        every = torch.arange(shape[1] * shape[2])
        relaxed = propagation.RelaxedNetwork(net, known, before, boxes)
        local = patches.bounds(relaxed, value, every, CELLS)
        units = int(np.prod(shape))
        rows = torch.eye(units, dtype=torch.float64).reshape(1, units, *shape)
        low = propagation.minimum(*propagation.backward(net, rows, value, lines, known), boxes)
        up = -propagation.minimum(*propagation.backward(net, -rows, value, lines, known), boxes)
        np.testing.assert_allclose(local[0].flatten(1), low, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(local[1].flatten(1), up, rtol=1e-9, atol=1e-9)
        some = patches.bounds(relaxed, value, every[::2], CELLS)
        np.testing.assert_allclose(some[0], local[0][..., ::2], rtol=1e-9, atol=1e-9)


@law(questions(SMALL, None), quick=40, deep=1000)
def test_boxes_of_one_batch_do_not_mix(question: Question) -> None:
    problem = question.problem
    net = TensorNetwork(problem.relaxed, torch.float64)
    boxes = [problem.neighborhood(scale * question.eps).box for scale in (1.0, 0.0, 0.3)]
    lower = net.tensor(np.stack([box.lower for box in boxes]))
    upper = net.tensor(np.stack([box.upper for box in boxes]))
    together = Crown().intermediate(net, Boxes(lower, upper))
    for low, up in zip(together.lower, together.upper, strict=True):
        # On a tie between the two slopes of a ReLU rounding decides, in a batch or alone.
        assume(not bool((((low + up).abs() < 1e-9) & (up > 1e-9)).any()))
    for number in range(len(boxes)):
        one = slice(number, number + 1)
        alone = Crown().intermediate(net, Boxes(lower[one], upper[one]))
        for ours, theirs in zip(
            [*together.lower, *together.upper], [*alone.lower, *alone.upper], strict=True
        ):
            np.testing.assert_allclose(ours[one], theirs, rtol=1e-9, atol=1e-9)


@law(questions(SMALL, None), quick=60, deep=1000)
def test_bounds_of_a_point_are_its_values(question: Question) -> None:
    problem = question.problem
    still = Question(problem, np.zeros_like(question.eps))
    true = problem.margin(problem.image[None])[0]
    for kind, analysis in analyses(still).items():
        scale = max(np.abs(value).max() for value in analysis.bounds().upper) + 1.0
        assert abs(analysis.margin - true) <= 1e-9 * scale or analysis.margin > ROBUST_MARGIN, kind
        assert analysis.margin <= true + 1e-9 * scale, kind
        assert analysis.robust == (true > ROBUST_MARGIN) or abs(true - ROBUST_MARGIN) < 1e-8


@law(questions(), quick=40, deep=500)
def test_bounds_of_a_smaller_box_are_no_looser(question: Question) -> None:
    """Interval bounds are monotone in the box; CROWN's need not be, but certify no less at zero."""
    problem = question.problem
    bounder = Bounding(problem.relaxed, problem.property, ITERATIONS)
    wide = bounder.interval(problem.neighborhood(question.eps).box)
    narrow = bounder.interval(problem.neighborhood(question.eps * 0.5).box)
    assert narrow.margin >= wide.margin - ROUNDING
    for position, low in enumerate(narrow.bounds().lower):
        outer = wide.bounds()
        assert_within(low, outer.lower[position], outer.upper[position], f"value {position}")


@law(questions(), quick=40, deep=500)
def test_the_oracle_itself_is_attained_and_below_all_samples(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    try:
        exact = level(problem.network, box, problem.property)
    except TooManyCellsError:
        assume(False)
    assert box.contains(exact.image)
    assert abs(problem.margin(exact.image[None])[0] - exact.margin) < ORACLE_ERROR
    sampled = problem.margin(points(box, np.random.default_rng(1), 300))
    assert sampled.min() >= exact.margin - ORACLE_ERROR


def test_a_claim_with_unbounded_or_undefined_margins_stays_open() -> None:
    """Soundness fails closed: what is not a number proves nothing."""
    for poison in (np.nan, np.inf, 1e308):
        first = np.array([[poison, 1.0], [1.0, -poison]])
        second = np.array([[1.0, 1.0], [poison, -1.0]])
        ops = (Flatten(), Linear(first, np.zeros(2)), Relu(), Linear(second, np.zeros(2)))
        network = Network(ops, (1, 1, 2))
        bounder = Bounding(network, Property(TopK(1), (0,), 2), ITERATIONS)
        box = Box(np.zeros((1, 1, 2)), np.ones((1, 1, 2)))
        for analysis in (
            bounder.interval(box),
            bounder.crown(box),
            bounder.alpha(bounder.crown(box)),
        ):
            assert not analysis.robust, poison
