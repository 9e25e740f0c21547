"""The relaxation of a tree: cuts, companions, runs that are cut short, sub-MIPs beside it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from backend_cases import compiled, random_questions
from branching_cases import OPEN, open_model
from machines import SECONDS, solver

from mlspec.backends.pieces import Pieces
from mlspec.backends.program import arrays_of
from mlspec.branching import nodes, submips
from mlspec.branching.hull import Hull, HullCut, hulls_of
from mlspec.branching.relaxation import Relaxation
from mlspec.branching.submips import LargeNeighborhoods, SubMip
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array

PLANES = nodes.CuttingPlanes()


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
    node_solver = nodes.NodeSolver(PLANES, relaxation, program, pieces, limit, NEVER)
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
