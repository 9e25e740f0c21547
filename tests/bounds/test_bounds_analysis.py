"""Bounds by hand, and what they leave open."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bounding import Bounding
from law import law
from oracles import minimum, points
from random_ops import SMALL
from strategies import Question, problem_of, questions

from mlspec.bounds import patches, propagation
from mlspec.bounds.analysis import Analysis
from mlspec.bounds.crown import Crown
from mlspec.bounds.domain import Boxes
from mlspec.core import forward
from mlspec.core.fuse import fused
from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Box
from mlspec.core.network import Network
from mlspec.core.property import DecisionRule, Property, Threshold, TopK
from mlspec.ops.conv import Conv
from mlspec.ops.elementwise import UnitLines
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.pool_planes import first_levels, first_weights, planes
from mlspec.ops.relu import Relu
from mlspec.tensors import TensorNetwork
from mlspec.tolerances import ROBUST_MARGIN


def box_of(lower: list[float], upper: list[float]) -> Box:
    return Box(np.array(lower).reshape(1, 1, -1), np.array(upper).reshape(1, 1, -1))


def linear(weight: list[list[float]], bias: list[float]) -> Network:
    return Network((Flatten(), Linear(np.array(weight), np.array(bias))), (1, 1, len(weight[0])))


def analyses(
    network: Network, rule: DecisionRule, target: int, box: Box, iterations: int = 20
) -> tuple[Analysis, Analysis, Analysis]:
    bounder = Bounding(fused(network), Property(rule, (target,), network.labels), iterations)
    middle = bounder.crown(box)
    return bounder.interval(box), middle, bounder.alpha(middle)


def test_intervals_and_crown_of_a_difference() -> None:
    """Scores x and x - 0.5: intervals forget that they move together, CROWN does not."""
    network = linear([[1.0], [1.0]], [0.0, -0.5])
    interval, linear_, alpha = analyses(network, TopK(1), 0, box_of([0.0], [1.0]))
    assert interval.margin == pytest.approx(-0.5)
    assert not interval.robust
    assert interval.open_subsets == 1
    assert linear_.margin == pytest.approx(0.5)
    assert linear_.robust
    assert alpha.margin == linear_.margin


def test_bounds_of_every_value_by_hand() -> None:
    ops = (
        Flatten(),
        Linear(np.array([[1.0, -1.0]]), np.zeros(1)),
        Relu(),
        Linear(np.array([[2.0], [0.0]]), np.array([0.0, 1.0])),
    )
    network = Network(ops, (1, 1, 2))
    bounds = analyses(network, TopK(1), 0, box_of([0.0, 0.0], [1.0, 0.5]))[0].bounds()
    by_hand = (
        ([0.0, 0.0], [1.0, 0.5]),
        ([0.0, 0.0], [1.0, 0.5]),
        ([-0.5], [1.0]),
        ([0.0], [1.0]),
        ([0.0, 1.0], [2.0, 1.0]),
    )
    for low, up, (least, most) in zip(bounds.lower, bounds.upper, by_hand, strict=True):
        # They give way to rounding, outwards.
        assert low.ravel() == pytest.approx(least, abs=1e-13)
        assert up.ravel() == pytest.approx(most, abs=1e-13)
        assert (low.ravel() <= least).all()
        assert (up.ravel() >= most).all()


def test_a_convex_combination_closes_what_no_single_margin_does() -> None:
    """Margins x and 1.2 - x: each may be negative, never both."""
    network = linear([[0.0], [-2.0], [2.0]], [0.0, 1.0, -1.4])
    box = box_of([0.0], [1.0])
    interval, linear_, alpha = analyses(network, TopK(2), 0, box, iterations=60)
    assert interval.open_subsets == linear_.open_subsets == 1
    assert alpha.robust
    exact = minimum(network, box, TopK(2).claim(0, 3)).margin
    assert 0.0 < alpha.margin <= exact + 1e-9
    single = analyses(network, TopK(1), 0, box, iterations=60)[2]
    assert not single.robust


def test_a_subset_closes_if_fewer_than_k_rivals_can_reach_the_target() -> None:
    network = linear([[0.0], [2.0], [0.0], [0.0]], [0.0, -1.0, -1.0, -2.0])
    found = analyses(network, TopK(2), 0, box_of([0.0], [1.0]))[1]
    assert found.robust
    assert found.margin == pytest.approx(1.0)
    assert analyses(network, TopK(3), 0, box_of([0.0], [1.0]))[1].margin == pytest.approx(2.0)
    top = analyses(network, TopK(1), 0, box_of([0.0], [1.0]))[1]
    assert list(top.claims[0].subsets) == [(0,)]
    assert top.claims[0].closed == pytest.approx(1.0)
    assert top.margin == pytest.approx(-1.0)


def test_a_threshold_is_one_margin() -> None:
    network = linear([[1.0], [0.0]], [0.0, 5.0])
    box = box_of([0.25], [1.0])
    assert analyses(network, Threshold((0.2, 0.0)), 0, box)[0].margin == pytest.approx(0.05)
    assert analyses(network, Threshold((0.3, 0.0)), 0, box)[2].margin == pytest.approx(-0.05)


@pytest.mark.parametrize("margin", [0.0, 1e-9, 0.9e-6])
def test_a_margin_within_the_tolerance_stays_open(margin: float) -> None:
    network = linear([[0.0], [0.0]], [margin, 0.0])
    for analysis in analyses(network, TopK(1), 0, box_of([0.0], [1.0])):
        assert not analysis.robust
        assert analysis.margin == pytest.approx(margin, abs=1e-15)
    above = linear([[0.0], [0.0]], [2 * ROBUST_MARGIN, 0.0])
    assert all(a.robust for a in analyses(above, TopK(1), 0, box_of([0.0], [1.0])))


def test_open_subsets_come_weakest_first() -> None:
    network = linear([[0.0], [1.0], [2.0], [3.0]], [0.0, 0.0, 0.0, 0.0])
    claim = analyses(network, TopK(2), 0, box_of([0.0], [1.0]))[1].claims[0]
    assert list(claim.subsets.values()) == sorted(claim.subsets.values())
    assert claim.subsets == pytest.approx({(1, 2): -2.0, (0, 1): -1.0, (0, 2): -1.0})


def test_without_iterations_alpha_keeps_what_was_known() -> None:
    network = linear([[0.0], [-2.0], [2.0]], [0.0, 1.0, -1.4])
    _, linear_, alpha = analyses(network, TopK(2), 0, box_of([0.0], [1.0]), iterations=0)
    assert alpha.margin == linear_.margin
    assert alpha.claims[0].subsets == linear_.claims[0].subsets


def test_many_open_subsets_are_optimised_in_parts() -> None:
    """Forty-five subsets do not fit into one round."""
    labels = 11
    rng = np.random.default_rng(0)
    network = linear(rng.normal(size=(labels, 3)).tolist(), [-1.0, *[0.0] * (labels - 1)])
    box = box_of([0.0] * 3, [1.0] * 3)
    claim = TopK(2).claim(0, labels)
    _, linear_, alpha = analyses(network, TopK(2), 0, box, iterations=30)
    assert linear_.open_subsets > 16
    scores = forward.scores(network, points(box, rng, 500))
    margins = claim.margins(scores)
    for subset, bound in alpha.claims[0].subsets.items():
        assert linear_.claims[0].subsets[subset] <= bound
        assert bound <= margins[:, list(subset)].max(axis=1).min() + 1e-9


def lines_of(low: torch.Tensor, up: torch.Tensor) -> UnitLines:
    return Relu().sides(low, up).lines(Relu().first_slopes(low, up))


def planes_of(low: torch.Tensor, up: torch.Tensor, relu: bool) -> tuple[torch.Tensor, ...]:
    return planes(low, up, relu, first_weights(low, up, relu), first_levels(up))


def test_relaxations_of_decided_units_are_exact() -> None:
    low = torch.tensor([[0.5, -2.0, 0.0, -1.0]], dtype=torch.float64)
    up = torch.tensor([[1.0, -0.5, 1.0, 0.0]], dtype=torch.float64)
    lines = lines_of(low, up)
    assert lines.below.slope.tolist() == lines.above.slope.tolist() == [[1.0, 0.0, 1.0, 0.0]]
    assert lines.above.bias is not None
    assert lines.above.bias.abs().max() == 0.0
    low = torch.tensor([[1.0, -5.0, 0.0]], dtype=torch.float64)
    up = torch.tensor([[2.0, 1.0, 0.5]], dtype=torch.float64)
    for relu in (False, True):
        below, above, bias = planes_of(low, up, relu)
        assert below.tolist() == above.tolist() == [[1.0, 0.0, 0.0]]
        assert bias.tolist() == [0.0]


def test_a_fused_pool_of_one_candidate_is_the_triangle() -> None:
    low, up = (torch.tensor([[v]], dtype=torch.float64) for v in (-1.0, 3.0))
    _, above, bias = planes_of(low, up, True)
    line = lines_of(low, up).above
    assert line.bias is not None
    assert above.item() == line.slope.item() == 0.75
    assert bias.item() == line.bias.item() == 0.75


@law(questions(SMALL, None), quick=40, deep=1000)
def test_local_rows_hold_for_any_slopes(question: Question) -> None:
    problem = question.problem
    net = TensorNetwork(problem.relaxed, torch.float64)
    box = problem.neighborhood(question.eps).box
    lower, upper = net.tensor(box.lower[None]), net.tensor(box.upper[None])
    known = Crown().intermediate(net, Boxes(lower, upper))
    lines = propagation.default_relaxations(net, known)
    rng = np.random.default_rng(0)
    images = points(box, rng, 30)
    for number, value in enumerate(forward.values(problem.relaxed, images)):
        if number == 0 or not patches.applies(net, number):
            continue
        before = {position: line for position, line in lines.items() if position < number}
        local = patches.LocalRows(
            propagation.RelaxedNetwork(net, known, before, Boxes(lower, upper)), number
        )
        slopes = {
            position: tuple(torch.as_tensor(rng.random(tuple(start.shape))) for start in free)
            for position, free in local.first().items()
        }
        least = local.minimum(slopes)[0].numpy()
        flat = value.reshape(len(value), value.shape[1], -1)
        rows = np.concatenate([flat, -flat], axis=1)
        assert (rows >= least[None] - 1e-9 * (1 + np.abs(least))).all()
        default = local.minimum(local.first())
        np.testing.assert_allclose(default, local.minimum({}), rtol=1e-9, atol=1e-9)


def test_a_rim_that_no_window_reaches_does_not_matter() -> None:
    """Stride 3 with padding: windows end before the image does (a crash once)."""
    ops = (
        Conv(np.ones((1, 1, 1, 3)), np.zeros(1), (2, 1), (1, 1)),
        Relu(),
        Conv(np.ones((1, 1, 1, 1)), np.zeros(1), (3, 3), (2, 2)),
        Relu(),
        Flatten(),
    )
    for height in range(3, 9):
        for width in range(3, 9):
            network = Network(ops, (1, height, width))
            problem = problem_of(
                network,
                np.full((1, height, width), 0.5),
                Layering(np.zeros((height, width), dtype=np.int16), 1),
                Property(TopK(1), (0,), network.labels),
            )
            box = problem.neighborhood(np.array([0.25])).box
            bounder = Bounding(problem.relaxed, problem.property, 3)
            found = bounder.alpha(bounder.crown(box))
            scores = forward.scores(network, points(box, np.random.default_rng(0), 20))
            assert (scores >= found.bounds().lower[-1] - 1e-9).all()
            assert (scores <= found.bounds().upper[-1] + 1e-9).all()


def test_where_a_bound_overflows_nothing_is_certified_nor_refuted() -> None:
    """Two competitors of unknown margins could both win, however safe the others are."""
    huge = np.array([[0.0], [1e200], [1e200], [-1.0], [-2.0]])
    last = Linear(huge, np.array([1.0, 0.0, 0.0, 0.0, 0.0]))
    ops = (Flatten(), Linear(np.array([[1e200]]), np.zeros(1)), Relu(), last)
    bounder = Bounding(Network(ops, (1, 1, 1)), Property(TopK(2), (0,), 5), iterations=0)
    box = Box(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
    assert not bounder.slopes(box)[0] > 0.0
    assert not bounder.crown(box).robust
    assert not bounder.violated_throughout(np.zeros((1, 1, 1, 1)))
