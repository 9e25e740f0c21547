"""Encodings: their feasible region is the graph of the op, and no number is trusted blindly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest
from machines import SECONDS, analyse, highs
from milp_cases import question_of
from strategies import problem_of

from mlspec.core import forward
from mlspec.core.bounds import Bounds
from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.property import Claim, Property, TopK
from mlspec.errors import SolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel, Termination
from mlspec.ops.conv import Conv
from mlspec.ops.encoding import big_m
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
