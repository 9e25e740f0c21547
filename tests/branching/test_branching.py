"""Branch and cut: its answers, its deadlines, what it leaves to HiGHS."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import highspy
import numpy as np
import pytest
from backend_cases import compiled, random_questions
from law import law
from machines import SECONDS, solver
from scipy import optimize, sparse
from strategies import Question, questions

import mlspec
from mlspec.backends.engine import Engine
from mlspec.backends.engine import RunEnd as Ended
from mlspec.backends.highs import HighsEngine
from mlspec.backends.pieces import Pieces
from mlspec.backends.program import LinearProgram, Piece, arrays_of
from mlspec.branching import nodes, submips
from mlspec.branching.engine import BRANCHING, BranchingEngine
from mlspec.branching.hull import Hull, HullCut, HullCuts, hulls_of
from mlspec.branching.relaxation import Relaxation, Relaxed
from mlspec.branching.submips import LargeNeighborhoods, SubMip
from mlspec.branching.tree import BranchAndCut
from mlspec.core import forward
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.milp.model import MilpModel, SolveReport, Termination
from mlspec.run import prepare


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
            slack = 1e-5 * (1.0 + np.abs(piece.weights).max(initial=0.0))
            assert point[piece.output] >= values.max() - slack
            winner = point[piece.wins].round().astype(bool)
            if winner.any():
                assert point[piece.output] <= values[winner][0] + slack
            else:
                assert piece.rest is not None
                assert point[piece.output] <= piece.rest + slack


PLANES = nodes.CuttingPlanes()
OPEN = (2, 3)
"""Competitors that are not decided within seconds."""


def open_model() -> MilpModel:
    """Return a model of a shipped network."""
    problem = prepare(mlspec.load_spec("specs/pgd_img3.yaml")).problem
    eps = np.where(np.arange(problem.layering.count) < 4, 0.075, 0.0)
    return compiled(Question(problem, eps), "alpha", decision=True)


@pytest.mark.parametrize("cuts", [True, False])
def test_it_agrees_with_the_solver_of_highs(cuts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cuts it has to branch on networks of this size."""
    if not cuts:
        monkeypatch.setattr(HullCuts, "deepest", lambda *_: [])
    counts, ends = [], set()
    for question in random_questions(12):
        model = compiled(question, "interval", decision=True)
        for row in model.margins:
            found, expected = (
                solver(name).open(model).solve((row,), Deadline.after(SECONDS), row)
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
        report = session.solve(OPEN, Deadline.after(seconds), OPEN[0])
        assert time.monotonic() - began < seconds + 2.0
        assert report.termination is Termination.LIMIT
        assert report.message.endswith("left to prove")


def test_it_can_be_cancelled() -> None:
    session = solver("highs").open(open_model())
    timer = threading.Timer(0.3, session.cancel)
    timer.start()
    began = time.monotonic()
    assert session.solve(OPEN, Deadline.after(60.0), OPEN[0]).termination is Termination.LIMIT
    assert time.monotonic() - began < 5.0
    timer.join()


def test_numerical_trouble_leaves_the_answer_to_the_solver_of_highs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    question = next(random_questions(1))
    model = compiled(question, "interval", decision=True)
    row = next(iter(model.margins))
    expected = solver("highs-mip").open(model).solve((row,), Deadline.after(SECONDS), row)
    unknown = Relaxed(-np.inf, None, highspy.HighsModelStatus.kUnknown)
    monkeypatch.setattr(Relaxation, "solve", lambda *_: unknown)
    found = solver("highs").open(model).solve((row,), Deadline.after(SECONDS), row)
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

    def wrong(hull: Hull, x: Array, least: float, smallest: float) -> HullCut | None:
        cut = real(hull, x, least, smallest)
        return cut and replace(cut, limit=cut.limit - 10.0)

    for row in model.margins:
        expected = solver("highs-mip").open(model).solve((row,), Deadline.after(SECONDS), row)
        with monkeypatch.context() as patch:
            patch.setattr(Hull, "cut", wrong)
            session = solver("highs").open(model)
            session.near(image, (row,), Deadline.after(SECONDS), row)
            found = session.solve((row,), Deadline.after(SECONDS), row)
        assert found.termination is expected.termination


def test_an_infeasible_without_a_ray_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """HiGHS's word alone does not close a leaf."""
    monkeypatch.setattr(Relaxation, "_infeasible", lambda _: -np.inf)
    program, layout = arrays_of(compiled(next(random_questions(1)), "interval", decision=True))
    relaxation = Relaxation(program, {}, threading.Event(), PLANES.loose)
    relaxation.set_limits(dict.fromkeys(layout.margins.values(), -1e3))
    assert relaxation.solve().bound == -np.inf


def opened_root() -> tuple[nodes.NodeSolver, Relaxation, Pieces, list[Hull]]:
    """A model whose root, with its cuts, leaves it open."""
    program, layout = arrays_of(open_model())
    columns, values = program.row(layout.margins[OPEN[0]])
    cost = np.zeros(program.columns)
    cost[columns] = values
    relaxation = Relaxation(program, {}, threading.Event(), PLANES.loose)
    relaxation.set_limits(dict.fromkeys(layout.margins.values(), np.inf))
    relaxation.set_cost(cost)
    pieces, limit = Pieces(program), float(program.rhs[layout.margins[OPEN[0]]])
    node_solver = nodes.NodeSolver(
        PLANES, relaxation, program, pieces, limit, NEVER, threading.Event()
    )
    node_solver.root()
    return node_solver, relaxation, pieces, hulls_of(program)


def test_a_relaxation_beside_another_follows_its_cuts() -> None:
    """Whatever came and went meanwhile: the same optimum, from the same basis at once."""
    node_solver, main, _, hulls = opened_root()
    aside = main.companion()
    for _ in range(3):
        node = node_solver.relaxed()
        aside.take_cuts_of(main)
        assert aside.cuts == main.cuts > 0
        assert aside.solve().bound == pytest.approx(node.bound, abs=1e-6)
        aside.start_from(main.basis)
        assert aside.solve(iterations=0).bound == pytest.approx(node.bound, abs=1e-6)
        assert node.values is not None
        before = main.cuts
        main.drop_loose()
        assert main.cuts < before
        main.add(PLANES.hull.deepest(hulls, node.values + 1e-3, 20))


def test_submips_are_searched_from_one_node_to_another() -> None:
    begun: list[float] = []
    cancelled, found, point = threading.Event(), threading.Event(), np.ones(3)

    def search(submip: SubMip, deadline: Deadline) -> Array | None:
        assert deadline.left <= SECONDS
        begun.append(float(submip.values[0]))
        if begun[-1] == 0.0:
            cancelled.wait(SECONDS)
            return None
        found.set()
        return point

    def searching(*values: float) -> submips.SubMipSearch:
        waiting = (SubMip(np.zeros(1, dtype=bool), np.full(1, value)) for value in values)
        solver = submips.SubMipSolver(search, cancelled.set)
        return submips.SubMipSearch(method, solver, waiting, now, Deadline.after(SECONDS))

    method = LargeNeighborhoods()
    first, second, *_ = method.nodes
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


def test_without_an_objective_or_with_fixed_variables_highs_answers_itself() -> None:
    program, layout = arrays_of(compiled(next(random_questions(1)), "interval", decision=True))
    engine = BranchingEngine(program, {})
    engine.change_rows(dict.fromkeys(layout.margins.values(), np.inf))
    engine.change_cost(np.zeros(program.columns))
    outcome = engine.run(Deadline.after(SECONDS))
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
        whole = opened(model).solve((row,), Deadline.after(SECONDS), row)
        free = opened(model).near(image, (row,), Deadline.after(SECONDS), row, ties=10**6)
        assert decides(free) == decides(whole)
        session = opened(model)
        region = session.near(image, (row,), Deadline.after(SECONDS), row)
        around = session.near(image, (row,), Deadline.after(SECONDS), row, ties=10**6)
        assert decides(around) or not decides(region)
        for report in filter(decides, (free, around)):
            assert report.image is not None
            scores = forward.scores(problem.network, box.clip(report.image)[None])
            assert problem.property.claims[0].margins(scores)[0, row] <= 1e-5


def decides(report: SolveReport) -> bool:
    """Whether there is a point within the limits."""
    return report.termination is Termination.OPTIMAL


NO_CUTS = BranchAndCut(cuts=nodes.CuttingPlanes(root_rounds=0, node_rounds=0))


def asked(engine: Engine, program: LinearProgram, rows: Iterable[int], row: int) -> Ended:
    """Let ``engine`` decide the margin in ``row``, one of the ``rows`` of margins."""
    limits = dict.fromkeys(rows, np.inf) | {row: float(program.rhs[row])}
    cost = np.zeros(program.columns)
    columns, values = program.row(row)
    cost[columns] = values
    engine.change_rows(limits)
    engine.change_cost(cost)
    return engine.run(Deadline.after(SECONDS))


def test_integers_without_a_piece_are_branched_on_too() -> None:
    """Whatever a program does not say of its integers, the answers stay those of HiGHS."""
    ends = []
    options = solver("highs").profile.native_options()
    for question in random_questions(8):
        program, layout = arrays_of(compiled(question, "interval", decision=True))
        rows = list(layout.margins.values())
        for kept in (program.pieces[::2], program.pieces[:1]):
            partly = replace(program, pieces=kept)
            for row in rows:
                expected = asked(HighsEngine(program, options, True), program, rows, row)
                found = asked(BranchingEngine(partly, options, NO_CUTS), partly, rows, row)
                assert found.message.startswith("branch and cut, ")
                assert (found.values is None) == (expected.values is None)
                ends.append(found.termination)
                if found.values is not None:
                    integers = found.values[program.integer]
                    assert np.abs(integers - integers.round()).max() < 1e-5
    assert set(ends) == {Termination.OPTIMAL, Termination.INFEASIBLE}


def half(pieces: tuple[Piece, ...], *, most: float = 1.0) -> LinearProgram:
    """A program that only half a unit of its last integer makes feasible: ``2 z = 1``.

    Columns: output, input, two binaries, an aim that is at most 0.
    """
    matrix = sparse.csr_array(np.array([[0.0, 0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]]))
    return LinearProgram(
        cost=np.zeros(5),
        lower=np.array([0.0, 0.0, 0.0, 0.0, -1.0]),
        upper=np.array([1.0, 1.0, 1.0, most, 1.0]),
        integer=np.array([False, False, True, True, False]),
        matrix=matrix,
        kind=np.array([0, 1]),
        rhs=np.array([1.0, 0.0]),
        pieces=pieces,
    )


@pytest.mark.parametrize("wins", [(2,), (2, 3)])
def test_a_leaf_is_no_point_while_an_integer_is_fractional(wins: tuple[int, ...]) -> None:
    """The last integer has no piece, or mirrors another without a row that binds it."""
    weights, constants = np.ones((len(wins), 1)), np.zeros(len(wins))
    rest = 0.0 if len(wins) == 1 else None
    piece = Piece(0, np.array([1]), weights, constants, np.array(wins), rest)
    program = half((piece,))
    engine = BranchingEngine(program, {}, NO_CUTS)
    outcome = asked(engine, program, [1], 1)
    assert outcome.message.startswith("branch and cut, ")
    assert outcome.termination is Termination.INFEASIBLE


def test_programs_with_other_integers_than_binaries_are_left_to_highs() -> None:
    piece = Piece(0, np.array([1]), np.ones((1, 1)), np.zeros(1), np.array([2]), 0.0)
    assert isinstance(BRANCHING.load(half((piece,)), {}, True), BranchingEngine)
    for program in (half((piece,), most=5.0), replace(half((piece,)), upper=np.zeros(5))):
        assert isinstance(BRANCHING.load(program, {}, True), HighsEngine)


def test_what_its_integers_stand_for_need_not_be_known_for_a_proof() -> None:
    """A piece of which a program has lost a variable is not known: branching decides it."""
    assert isinstance(BRANCHING.load(half(()), {}, True), BranchingEngine)
    # The cost is at least either binary, one of which is 1; half of both would do.
    rows = [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 0.0, -1.0]]
    program = LinearProgram(
        cost=np.array([1.0, 0.0, 0.0]),
        lower=np.zeros(3),
        upper=np.ones(3),
        integer=np.array([False, True, True]),
        matrix=sparse.csr_array(np.array(rows)),
        kind=np.array([1, 0, -1, -1]),
        rhs=np.array([0.6, 1.0, 0.0, 0.0]),
    )
    engine = BRANCHING.load(program, {}, True)
    engine.change_rows({0: 0.6})
    outcome = engine.run(Deadline.after(20.0))
    assert outcome.termination is Termination.INFEASIBLE
    assert outcome.certified
