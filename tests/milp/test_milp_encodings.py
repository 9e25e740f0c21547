"""Encodings: their feasible region is the graph of the op, and no number is trusted blindly."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest
from machines import SECONDS, analyse, cascade, highs
from strategies import problem_of

from mlspec.core import forward
from mlspec.core.bounds import Bounds
from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Claim, Property, TopK
from mlspec.core.verdict import Outcome
from mlspec.errors import SolverError
from mlspec.milp.builder import Builder
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel, Termination
from mlspec.ops.conv import Conv
from mlspec.ops.encoding import Row, big_m
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu

EDGE = 1e-6


def scores_claim(labels: int, row: Array) -> Claim:
    """Return the claim with the one margin ``row . scores``."""
    return Claim(0, row[None], np.zeros(1), (0,), 1)


def extreme(network: Network, box: Box, row: Array, values: Array | None = None) -> float:
    """Return the least ``row . scores`` in the model, with the inputs fixed to ``values``."""
    problem = problem_of(
        network,
        (box.lower + box.upper) / 2,
        Layering(np.zeros(box.lower.shape[1:], dtype=np.int16), 1),
        Property(TopK(1), (0,), network.labels),
    )
    bounds = analyse(problem, box, "interval").bounds()
    claim = scores_claim(network.labels, row)
    model = Compiler(problem.relaxed, decision=False).compile(box, bounds, claim, [0])
    if values is not None:
        for variable, value in zip(model.inputs, model.values(values), strict=True):
            variable.setlb(float(value))
            variable.setub(float(value))
    report = highs().open(model).solve((0,), Deadline.after(SECONDS))
    assert report.termination is Termination.OPTIMAL
    assert report.dual_bound is not None
    return report.dual_bound


RELUS = Network((Relu(), Flatten()), (1, 1, 2))
POOL = Network((MaxPool((1, 3), (1, 1)), Flatten()), (1, 1, 4))
FUSED = Network((MaxPool((1, 3), (1, 1), relu=True), Flatten()), (1, 1, 4))
OVERLAPS = Network((MaxPool((2, 2), (1, 1)), Flatten()), (1, 3, 3))
STRIDED = Network((MaxPool((2, 2), (2, 2), relu=True), Flatten()), (1, 4, 5))


@pytest.mark.parametrize("network", [RELUS, POOL, FUSED, OVERLAPS, STRIDED])
@pytest.mark.parametrize("seed", range(4))
def test_outputs_are_pinned_from_both_sides(network: Network, seed: int) -> None:
    """With the input fixed each output has one value: no slack above, none below."""
    rng = np.random.default_rng(seed)
    lower = rng.normal(size=network.input_shape) - 0.5
    box = Box(lower, lower + rng.random(network.input_shape) * 2.0)
    values = box.lower + rng.random(lower.shape) * (box.upper - box.lower)
    true = forward.scores(network, values[None])[0]
    for label in range(network.labels):
        row = np.eye(network.labels)[label]
        assert extreme(network, box, row, values) == pytest.approx(true[label], abs=EDGE)
        assert -extreme(network, box, -row, values) == pytest.approx(true[label], abs=EDGE)


@pytest.mark.parametrize("network", [RELUS, POOL, FUSED, OVERLAPS, STRIDED])
@pytest.mark.parametrize("seed", range(4))
def test_outputs_reach_exactly_their_range_over_the_box(network: Network, seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    lower = rng.normal(size=network.input_shape) - 0.5
    box = Box(lower, lower + rng.random(network.input_shape) * 2.0)
    least = forward.scores(network, box.lower[None])[0]
    most = forward.scores(network, box.upper[None])[0]
    for label in range(network.labels):
        row = np.eye(network.labels)[label]
        assert extreme(network, box, row) == pytest.approx(least[label], abs=EDGE)
        assert -extreme(network, box, -row) == pytest.approx(most[label], abs=EDGE)


def compiled(lower: list[float], upper: list[float], network: Network) -> MilpModel:
    """Return the model of a network whose first op meets inputs of these bounds."""
    shape = network.input_shape
    box = Box(np.array(lower).reshape(shape), np.array(upper).reshape(shape))
    values = [(box.lower, box.upper)]
    for op in network.ops:
        values.append((op.forward(values[-1][0][None])[0], op.forward(values[-1][1][None])[0]))
    bounds = Bounds(tuple(v[0] for v in values), tuple(v[1] for v in values))
    claim = TopK(1).claim(0, network.labels)
    return Compiler(network).compile(box, bounds, claim, range(len(claim.rows)))


def test_only_undecided_relus_cost_a_binary() -> None:
    model = compiled([-1.0, 0.5], [1.0, 1.0], RELUS)
    assert model.binaries == 1
    assert compiled([-1.0, -1.0], [0.0, 1.0], RELUS).binaries == 1
    assert compiled([-1.0, -1.0], [0.0, -0.5], RELUS).binaries == 0
    assert compiled([0.5, 0.5], [1.0, 1.0], RELUS).binaries == 0


def test_a_live_unit_is_never_taken_for_a_dead_one() -> None:
    """However little it moves: what follows may magnify it."""
    for upper in (1e-3, 1e-9, 1e-10, 1e-13):
        assert compiled([-1.0, -1.0], [upper, -0.5], RELUS).binaries == 1
    for low in (1e-10, 0.0):
        two = compiled([low, -1.0], [low + 1e-11, -0.5], RELUS)
        assert two.pixels == (0,)


def test_pool_candidates_that_cannot_win_cost_nothing() -> None:
    two = Network((MaxPool((1, 2), (1, 2)), Flatten()), (1, 1, 4))
    fused = Network((MaxPool((1, 2), (1, 2), relu=True), Flatten()), (1, 1, 4))
    assert compiled([0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], two).binaries == 4
    assert compiled([0.0, 2.0, 0.0, 0.5], [1.0, 3.0, 1.0, 1.0], two).binaries == 2
    assert compiled([0.0, 2.0, 3.0, 0.5], [1.0, 3.0, 4.0, 1.0], two).binaries == 0
    assert compiled([-1.0] * 4, [-0.5] * 4, fused).binaries == 0
    assert compiled([-1.0] * 4, [1.0, -0.5, -0.5, -0.5], fused).binaries == 1
    assert compiled([0.1, -1.0, -1.0, -1.0], [1.0, 0.05, -0.5, -0.5], fused).binaries == 0


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_bounds_that_are_not_finite_are_refused(poison: float) -> None:
    for which in range(3):
        ends = [np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), np.zeros(2)]
        ends[which] = ends[which] + poison
        box = Box(np.zeros((1, 1, 2)), np.ones((1, 1, 2)))
        top = (np.ones((1, 1, 2)), np.ones((1, 1, 2)), np.ones(2))
        claim = TopK(1).claim(0, 2)
        for bounds in (
            Bounds(tuple(ends), top),
            Bounds((box.lower, box.lower, np.zeros(2)), tuple(ends)),
        ):
            with pytest.raises(SolverError, match="finite"):
                Compiler(RELUS).compile(box, bounds, claim, [0])


def test_a_big_m_that_is_missing_names_the_unit() -> None:
    with pytest.raises(SolverError, match=r"relu0 unit 1 .*big-M of inf"):
        big_m(np.inf, 1.0, "relu0", 1)


def question_of(ops: tuple[object, ...], pixels: int) -> Problem:
    return problem_of(
        Network(ops, (1, 1, pixels)),
        np.full((1, 1, pixels), 0.5),
        Layering(np.zeros((1, pixels), dtype=np.int16), 1),
        Property(TopK(1), (0,), 2),
    )


def test_many_coefficients_too_small_for_a_solver_still_count() -> None:
    """HiGHS drops coefficients below 1e-9 unless told otherwise; here they decide."""
    pixels = 30
    first = Linear(np.eye(pixels) * 2000.0, np.full(pixels, -1000.0))
    last = Linear(np.stack([np.full(pixels, -8e-10), np.zeros(pixels)]), np.array([2e-5, 0.0]))
    problem = question_of((Flatten(), first, Relu(), last), pixels)
    worst = problem.margin(np.ones((1, 1, 1, pixels)))[0]
    assert worst < -1e-6
    for decision in (True, False):
        verifier = cascade(problem, "interval", decision=decision, restarts=1, steps=1)
        verdict = verifier.verify(np.ones(1), Deadline.after(SECONDS))
        assert verdict.outcome is Outcome.VIOLATED


@pytest.mark.parametrize("equal", [True, False])
def test_a_row_without_its_small_coefficients_keeps_every_point(equal: bool) -> None:
    build = Builder()
    ends = np.array([0.0, -3.0, 0.0]), np.array([1.0, 5.0, 4.0])
    x, y, z = build.inputs("x", [0, 1, 2], *ends)
    row = Row([1.0, 1e-9, -1e-9], [x, y, z], -0.5)
    (constraint,) = build.below_zero("row", {0: row}, equal).values()
    for fine in itertools.product((-3.0, 5.0), (0.0, 4.0)):
        y.value, z.value = fine
        x.value = 0.5 - 1e-9 * (y.value - z.value)
        assert constraint.slack() >= 0.0
        x.value += 2e-8
        assert constraint.slack() < 0.0


@pytest.mark.parametrize("factor", [1e-9, 1e-7, 1e-5, 1.0, 1e3])
def test_small_values_that_the_network_magnifies_are_kept(factor: float) -> None:
    """Hidden values of size ``factor``, magnified back by the last op."""
    first = Linear(np.array([[1.0, -1.0], [-1.0, 1.0]]) * factor, np.zeros(2))
    last = Linear(np.array([[-1.0, -1.0], [0.0, 0.0]]) / factor, np.array([0.5, 0.0]))
    problem = question_of((Flatten(), first, Relu(), last), 2)
    for decision in (True, False):
        for eps, outcome in ((0.24, Outcome.ROBUST), (0.26, Outcome.VIOLATED)):
            verifier = cascade(problem, "interval", decision=decision, restarts=1, steps=1)
            verdict = verifier.verify(np.array([eps]), Deadline.after(SECONDS))
            assert verdict.outcome is outcome, (decision, eps, verdict)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("noise", [(3e-19, 1e-19), (-1e-19, 1e-19), (5e-20, 6e-20), (3e-19, 3e-19)])
def test_a_value_that_rounding_moves_out_of_its_bounds_excludes_nothing(
    noise: tuple[float, float], relu: bool
) -> None:
    """A still candidate of 2e-19 beside one of size 1e-3: its bounds are noise, maybe crossed."""
    conv = Conv(np.ones((1, 1, 1, 1)), np.zeros(1))
    last = Linear(np.array([[-1e3], [0.0]]), np.array([0.5, 0.0]))
    network = Network((conv, MaxPool((1, 2), (1, 1), relu=relu), Flatten(), last), (1, 1, 2))
    lower, upper = np.array([[[2e-19, 0.0]]]), np.array([[[2e-19, 1e-3]]])
    ends = lower.copy(), upper.copy()
    ends[0][0, 0, 0], ends[1][0, 0, 0] = noise
    pooled = np.zeros((1, 1, 1)), np.full((1, 1, 1), 1e-3)
    bounds = Bounds(
        (lower, ends[0], pooled[0], pooled[0].ravel(), np.full(2, -1.0)),
        (upper, ends[1], pooled[1], pooled[1].ravel(), np.full(2, 1.0)),
    )
    claim = TopK(1).claim(0, 2)
    for decision in (True, False):
        model = Compiler(network, decision).compile(Box(lower, upper), bounds, claim, [0])
        report = highs().open(model).solve((0,), Deadline.after(SECONDS))
        assert report.termination is Termination.OPTIMAL
        if not decision:
            assert report.dual_bound == pytest.approx(-0.5, abs=1e-6)


def test_a_neighborhood_of_one_point_needs_no_variable() -> None:
    problem = question_of((Flatten(), Linear(np.eye(2), np.array([0.1, 0.0]))), 2)
    box = problem.neighborhood(np.zeros(1)).box
    bounds = analyse(problem, box, "interval").bounds()
    claim = problem.property.claims[0]
    model = Compiler(problem.relaxed).compile(box, bounds, claim, [0])
    assert model.pixels == ()
    assert (
        highs().open(model).solve((0,), Deadline.after(SECONDS)).termination
        is Termination.INFEASIBLE
    )
    tie = replace(problem, network=Network((Flatten(), Linear(np.eye(2), np.zeros(2))), (1, 1, 2)))
    bounds = analyse(tie, box, "interval").bounds()
    report = (
        highs()
        .open(Compiler(tie.relaxed).compile(box, bounds, claim, [0]))
        .solve((0,), Deadline.after(SECONDS))
    )
    assert report.termination is Termination.OPTIMAL
    assert report.image is not None
    np.testing.assert_array_equal(report.image, tie.image)


def test_names_come_from_ops_and_units_alone() -> None:
    """Compiling twice gives the same text."""
    rng = np.random.default_rng(0)
    ops = (
        Conv(rng.normal(size=(2, 1, 2, 2)), rng.normal(size=2)),
        MaxPool((2, 2), (1, 1), relu=True),
        Flatten(),
        Linear(rng.normal(size=(3, 8)), rng.normal(size=3)),
        Relu(),
        Linear(rng.normal(size=(2, 3)), rng.normal(size=2)),
    )
    problem = problem_of(
        Network(ops, (1, 4, 4)),
        np.full((1, 4, 4), 0.5),
        Layering(np.zeros((4, 4), dtype=np.int16), 1),
        Property(TopK(1), (0,), 2),
    )
    box = problem.neighborhood(np.array([0.3])).box
    bounds = analyse(problem, box, "crown").bounds()
    claim = problem.property.claims[0]
    models = [Compiler(problem.relaxed).compile(box, bounds, claim, [0]).pyomo for _ in range(2)]
    names = [[v.name for v in m.component_data_objects(pyo.Var)] for m in models]
    assert names[0] == names[1]
    assert {name.split("[")[0] for name in names[0]} <= {
        "x", "maxpool1_z", "maxpool1_y", "maxpool1_b", "maxpool1_v", "relu4_y", "relu4_a", "one"
    }  # fmt: skip


def test_compiling_leaves_the_garbage_collector_as_it_was() -> None:
    import gc

    assert gc.isenabled()
    compiled([-1.0, -1.0], [1.0, 1.0], RELUS)
    assert gc.isenabled()
    with pytest.raises(SolverError):
        compiled([-1.0, -1.0], [1.0, np.inf], RELUS)
    assert gc.isenabled()
    gc.disable()
    try:
        compiled([-1.0, -1.0], [1.0, 1.0], RELUS)
        assert not gc.isenabled()
    finally:
        gc.enable()
