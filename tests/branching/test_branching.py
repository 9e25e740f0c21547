"""Branch and cut of our own: its cuts, its bounds, its answers."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import product

import highspy
import numpy as np
import pytest
from backend_cases import compiled, random_questions
from hypothesis import strategies as st
from law import law
from machines import SECONDS, solver
from scipy import optimize, sparse
from strategies import Question, questions

import mlspec
from mlspec.backends.pieces import Pieces
from mlspec.backends.program import Piece, arrays_of
from mlspec.branching import nodes, submips
from mlspec.branching.engine import BranchingEngine
from mlspec.branching.hull import LEAST_VIOLATION, Cut, Hull, deepest, hulls_of
from mlspec.branching.relaxation import Relaxation, Relaxed, dual_bound
from mlspec.branching.submips import SubMip
from mlspec.core import forward
from mlspec.core.network import Array
from mlspec.milp.model import MilpModel, SolveReport, Termination
from mlspec.run import prepare

Rng = np.random.Generator


@st.composite
def windows(draw: st.DrawFn) -> tuple[Piece, Array, Array, Rng]:
    """A piece over a box; its output is variable 0, then come its inputs and its wins."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, candidates = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    rest = draw(st.sampled_from([None, 0.0, 0.3])) if candidates > 1 else 0.0
    places = np.arange(1, 1 + inputs + candidates)
    weights = rng.normal(size=(candidates, inputs)) * 10.0 ** draw(st.integers(-4, 1))
    weights[rng.random(weights.shape) < 0.2] = 0.0
    constants = rng.normal(size=candidates)
    lower = rng.uniform(-1.0, 1.0, inputs)
    upper = lower + rng.choice([0.0, 1e-9, 0.1, 2.0], inputs)
    ends = np.full(1, 50.0), np.ones(candidates)
    return (
        Piece(0, places[:inputs], weights, constants, places[inputs:], rest),
        np.concatenate([-ends[0], lower, np.zeros(candidates)]),
        np.concatenate([ends[0], upper, ends[1]]),
        rng,
    )


def loose_points(piece: Piece, lower: Array, upper: Array, rng: Rng) -> Array:
    """Return relaxed points ``(20, n)`` whose outputs are too high."""
    points = rng.uniform(lower, upper, (20, len(lower)))
    shares = rng.dirichlet(np.ones(len(piece.wins) + (piece.rest is not None)), 20)
    points[:, piece.wins] = shares[:, : len(piece.wins)]
    return points


@law(windows(), quick=60, deep=2000)
def test_a_cut_cuts_off_its_point_and_no_true_one(case: tuple[Piece, Array, Array, Rng]) -> None:
    piece, lower, upper, rng = case
    hull = Hull(piece, lower, upper)
    corners = np.where(rng.random((200, len(lower))) < 0.5, lower, upper)
    true = np.vstack([corners, rng.uniform(lower, upper, (200, len(lower)))])
    for point in true:
        values = piece.weights @ point[piece.inputs] + piece.constants
        point[piece.wins] = 0.0
        if piece.rest is not None and values.max() <= piece.rest:
            point[piece.output] = piece.rest
        else:
            point[piece.output] = values.max()
            point[piece.wins[values.argmax()]] = 1.0
    for loose in loose_points(piece, lower, upper, rng):
        cut = hull.cut(loose)
        if cut is not None:
            assert cut.values @ loose[cut.columns] > cut.limit
            assert (true[:, cut.columns] @ cut.values <= cut.limit + 1e-12).all()


@law(windows(), quick=40, deep=500)
def test_cuts_are_the_convex_hull(case: tuple[Piece, Array, Array, Rng]) -> None:
    """A point is cut off exactly if its output exceeds what shares of the candidates reach."""
    piece, lower, upper, rng = case
    hull = Hull(piece, lower, upper)
    weights, constants = piece.weights, piece.constants
    if piece.rest is not None:
        weights = np.vstack([weights, 0.0 * weights[:1]])
        constants = np.append(constants, piece.rest)
    for point in loose_points(piece, lower, upper, rng)[:5]:
        wins = point[piece.wins]
        if piece.rest is not None:
            wins = np.append(wins, 1.0 - wins.sum())
        low, high = (np.outer(wins, ends[piece.inputs]).ravel() for ends in (lower, upper))
        reached = optimize.linprog(
            -weights.ravel(),
            A_eq=np.tile(np.eye(len(piece.inputs)), len(wins)),
            b_eq=point[piece.inputs],
            bounds=np.column_stack([low, np.maximum(low, high)]),
        )
        assert reached.success
        most = constants @ wins - reached.fun
        slack = 20.0 * LEAST_VIOLATION * np.sqrt(1.0 + (weights**2).sum())
        for distance in (-slack, slack):
            point[piece.output] = most + distance
            assert (hull.cut(point) is not None) == (distance > 0.0)


@law(st.integers(0, 2**32 - 1), quick=60, deep=2000)
def test_a_dual_bound_holds_for_any_multipliers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 6, 2)
    matrix = rng.normal(size=(rows, columns))
    lower = rng.uniform(-1.0, 0.0, columns)
    upper = lower + rng.uniform(0.0, 2.0, columns)
    inside = rng.uniform(lower, upper)
    low = np.where(rng.random(rows) < 0.5, -np.inf, matrix @ inside - rng.random(rows))
    high = np.where(rng.random(rows) < 0.5, np.inf, matrix @ inside + rng.random(rows))
    cost = rng.normal(size=columns)
    least = optimize.milp(
        cost,
        constraints=optimize.LinearConstraint(matrix, low, high),
        bounds=optimize.Bounds(lower, upper),
    ).fun
    for multipliers in (rng.normal(size=rows), np.zeros(rows), 1e6 * rng.normal(size=rows)):
        found = dual_bound(multipliers, cost, sparse.csr_array(matrix), (low, high), (lower, upper))
        assert found <= least + 1e-9


@law(questions(), quick=15, deep=300)
def test_pieces_hold_at_every_point_of_the_program(question: Question) -> None:
    """What a program says of its integers is what its rows say."""
    program, layout = arrays_of(compiled(question, "interval", decision=True))
    low = np.where(program.kind <= 0, program.rhs, -np.inf)
    high = np.where(program.kind >= 0, program.rhs, np.inf)
    high[list(layout.margins.values())] = np.inf
    rng = np.random.default_rng(0)
    for _ in range(5):
        aim = rng.normal(size=program.columns)
        found = optimize.milp(
            aim,
            constraints=optimize.LinearConstraint(program.matrix, low, high),
            bounds=optimize.Bounds(program.lower, program.upper),
            integrality=program.integer,
        )
        assert found.x is not None
        for piece in program.pieces:
            point = found.x
            values = piece.weights @ point[piece.inputs] + piece.constants
            # A row may be off by the solver's tolerance in its own unit, not in that of the piece.
            slack = 1e-5 * (1.0 + np.abs(piece.weights).max())
            assert point[piece.output] >= values.max() - slack
            winner = point[piece.wins].round().astype(bool)
            if winner.any():
                assert point[piece.output] <= values[winner][0] + slack
            else:
                assert piece.rest is not None
                assert point[piece.output] <= piece.rest + slack


OPEN = (2, 3)
"""Rivals that are not decided within seconds."""


def open_model() -> MilpModel:
    """Return a model of a shipped network."""
    problem = prepare(mlspec.load_spec("specs/pgd_img3.yaml")).problem
    eps = np.where(np.arange(problem.layering.count) < 4, 0.075, 0.0)
    return compiled(Question(problem, eps), "alpha", decision=True)


@pytest.mark.parametrize("cuts", [True, False])
def test_it_agrees_with_the_solver_of_highs(cuts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cuts it has to branch on networks of this size."""
    if not cuts:
        monkeypatch.setattr(nodes, "deepest", lambda *_: [])
    counts, ends = [], set()
    for question in random_questions(12):
        model = compiled(question, "interval", decision=True)
        for row in model.margins:
            found, expected = (
                solver(name).open(model).solve((row,), SECONDS, row)
                for name in ("highs", "highs-mip")
            )
            assert found.termination is expected.termination
            assert found.message.startswith("branch and cut, ")
            counts.append(int(found.message.split()[3]))
            ends.add(found.termination)
    assert ends == {Termination.OPTIMAL, Termination.INFEASIBLE}
    assert cuts or max(counts) > 3


def test_it_keeps_its_deadline_and_says_what_is_left() -> None:
    model = open_model()
    session = solver("highs").open(model)
    for seconds in (0.3, 0.0):
        began = time.monotonic()
        report = session.solve(OPEN, seconds, OPEN[0])
        assert time.monotonic() - began < seconds + 2.0
        assert report.termination is Termination.LIMIT
        assert report.message.endswith("left to prove")


def test_it_can_be_cancelled() -> None:
    session = solver("highs").open(open_model())
    timer = threading.Timer(0.3, session.cancel)
    timer.start()
    began = time.monotonic()
    assert session.solve(OPEN, 60.0, OPEN[0]).termination is Termination.LIMIT
    assert time.monotonic() - began < 5.0
    timer.join()


def test_numerical_trouble_leaves_the_answer_to_the_solver_of_highs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    question = next(random_questions(1))
    model = compiled(question, "interval", decision=True)
    row = next(iter(model.margins))
    expected = solver("highs-mip").open(model).solve((row,), SECONDS, row)
    unknown = Relaxed(-np.inf, None, highspy.HighsModelStatus.kUnknown)
    monkeypatch.setattr(Relaxation, "solve", lambda *_: unknown)
    found = solver("highs").open(model).solve((row,), SECONDS, row)
    assert found.termination is expected.termination
    assert not found.message.startswith("branch and cut")


def test_a_cut_that_leaves_out_a_known_point_is_no_basis_of_a_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then HiGHS decides: cuts that are wrong do not even change the answer."""
    question = next(random_questions(1))
    model = compiled(question, "interval", decision=True)
    image = question.problem.neighborhood(question.eps).box.lower
    real = Hull.cut

    def wrong(hull: Hull, x: Array) -> Cut | None:
        cut = real(hull, x)
        return cut and replace(cut, limit=cut.limit - 10.0)

    for row in model.margins:
        expected = solver("highs-mip").open(model).solve((row,), SECONDS, row)
        with monkeypatch.context() as patch:
            patch.setattr(Hull, "cut", wrong)
            session = solver("highs").open(model)
            session.near(image, (row,), SECONDS, row)
            found = session.solve((row,), SECONDS, row)
        assert found.termination is expected.termination


def test_an_infeasible_without_a_ray_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """HiGHS's word alone does not close a leaf."""
    monkeypatch.setattr(Relaxation, "_infeasible", lambda _: -np.inf)
    program, layout = arrays_of(compiled(next(random_questions(1)), "interval", decision=True))
    relaxation = Relaxation(program, {}, threading.Event())
    relaxation.switch(dict.fromkeys(layout.margins.values(), -1e3))
    assert relaxation.solve(SECONDS).bound == -np.inf


def opened_root() -> tuple[nodes.NodeSolver, Relaxation, Pieces, list[Hull]]:
    """A model whose root, with its cuts, leaves it open."""
    program, layout = arrays_of(open_model())
    columns, values = program.row(layout.margins[OPEN[0]])
    cost = np.zeros(program.columns)
    cost[columns] = values
    relaxation = Relaxation(program, {}, threading.Event())
    relaxation.switch(dict.fromkeys(layout.margins.values(), np.inf))
    relaxation.aim(cost)
    pieces, hulls = Pieces(program), hulls_of(program)
    limit = float(program.rhs[layout.margins[OPEN[0]]])
    deadline = time.monotonic() + SECONDS
    node_solver = nodes.NodeSolver(relaxation, pieces, hulls, limit, deadline, threading.Event())
    node_solver.root()
    return node_solver, relaxation, pieces, hulls


def test_a_relaxation_beside_another_follows_its_cuts() -> None:
    """Whatever came and went meanwhile: the same optimum, from the same basis at once."""
    node_solver, main, _, hulls = opened_root()
    aside = main.beside()
    for _ in range(3):
        node = node_solver.relaxed()
        aside.follow(main)
        assert aside.cuts == main.cuts > 0
        assert aside.solve(SECONDS).bound == pytest.approx(node.bound, abs=1e-6)
        aside.start_from(main.basis)
        assert aside.solve(SECONDS, iterations=0).bound == pytest.approx(node.bound, abs=1e-6)
        assert node.values is not None
        before = main.cuts
        main.drop_loose()
        assert main.cuts < before
        main.add(deepest(hulls, node.values + 1e-3, 20))


def test_submips_are_searched_from_one_node_to_another() -> None:
    begun: list[float] = []
    cancelled, found, point = threading.Event(), threading.Event(), np.ones(3)

    def search(submip: SubMip, seconds: float) -> Array | None:
        assert 0.0 <= seconds <= SECONDS
        begun.append(float(submip.values[0]))
        if begun[-1] == 0.0:
            cancelled.wait(SECONDS)
            return None
        found.set()
        return point

    def searching(*values: float) -> submips.SubMipSearch:
        waiting = (SubMip(np.zeros(1, dtype=bool), np.full(1, value)) for value in values)
        solver = submips.SubMipSolver(search, cancelled.set)
        return submips.SubMipSearch(solver, waiting, now, now + SECONDS)

    first, second, *_ = submips.NODES
    now = time.monotonic()
    with searching(0.0, 1.0) as endless:
        assert endless.result(first) is None
        assert endless.result(second - 1) is None
    assert time.monotonic() - now < SECONDS / 2  # it was cancelled
    assert begun == [0.0]
    with searching(1.0, 2.0) as quick:
        assert quick.result(first) is None
        assert found.wait(SECONDS)
        assert quick.result(second - 1) is None  # however soon it was found
        assert quick.result(second) is point
    assert begun == [0.0, 1.0]


def test_a_run_that_is_cut_short_says_what_a_side_brings() -> None:
    """Its bound lies between those of the node and of the whole run."""
    node_solver, relaxation, pieces, _ = opened_root()
    node = node_solver.relaxed()
    assert node.values is not None
    basis = relaxation.basis
    worth = pieces.looseness(node.values, relaxation.prices(node))
    for place in np.argsort(-worth)[:5].tolist():
        bounds = [node_solver.sides({}, place, basis, most) for most in (1, 50, 100, 100_000)]
        for side in np.transpose(bounds):
            assert node.bound - 1e-6 <= min(side)
            assert max(side) <= side[-1] + 1e-6


def test_without_an_aim_or_with_fixed_variables_highs_answers_itself() -> None:
    program, layout = arrays_of(compiled(next(random_questions(1)), "interval", decision=True))
    engine = BranchingEngine(program, {})
    engine.change_rows(dict.fromkeys(layout.margins.values(), np.inf))
    engine.change_cost(np.zeros(program.columns))
    outcome = engine.run(SECONDS)
    assert outcome.termination is Termination.OPTIMAL
    assert "branch" not in outcome.message


@law(questions(), quick=15, deep=300)
def test_around_an_image_the_more_ties_are_free_the_more_is_found(question: Question) -> None:
    """With all of them free, and no start, it is what there is anywhere."""
    problem = question.problem
    model = compiled(question, "crown", decision=True)
    box = problem.neighborhood(question.eps).box
    image = box.lower + 0.3 * (box.upper - box.lower)
    for name, row in product(("highs", "highs-mip"), model.margins):
        opened = solver(name).open
        whole = opened(model).solve((row,), SECONDS, row)
        free = opened(model).near(image, (row,), SECONDS, row, ties=10**6)
        assert decides(free) == decides(whole)
        session = opened(model)
        region = session.near(image, (row,), SECONDS, row)
        around = session.near(image, (row,), SECONDS, row, ties=10**6)
        assert decides(around) or not decides(region)
        for report in filter(decides, (free, around)):
            assert report.image is not None
            scores = forward.scores(problem.network, box.clip(report.image)[None])
            assert problem.property.claims[0].margins(scores)[0, row] <= 1e-5


def decides(report: SolveReport) -> bool:
    """Whether there is a point within the limits."""
    return report.termination is Termination.OPTIMAL
