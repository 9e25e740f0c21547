"""A warm start from another tree helps, and changes no answer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from backend_cases import compiled, random_questions
from branching_cases import NO_CUTS
from law import law
from machines import SECONDS, solver
from strategies import Question, questions

from mlspec.backends.backend import ProgramBackend
from mlspec.backends.program import LinearProgram, Piece, arrays_of
from mlspec.branching.engine import branching
from mlspec.branching.hull import HullCuts, hulls_of
from mlspec.branching.tree import BranchAndCut
from mlspec.branching.warm_start import (
    Branchings,
    WarmStart,
    WarmStarts,
    branchings_by,
    cuts_by,
    named,
    warm_start_of,
)
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.milp.model import Termination

HULL = HullCuts()


@law(questions(), quick=20, deep=300)
def test_a_session_that_follows_another_says_what_it_says_alone(question: Question) -> None:
    """Of a box that is larger by a fifth, after the first one was decided."""
    larger = replace(question, eps=np.minimum(1.2 * question.eps, 1.0))
    models = [compiled(each, "interval", decision=True) for each in (question, larger)]
    highs = solver("highs")
    first, second, alone = (highs.open(models[number]) for number in (0, 1, 1))
    subset = tuple(sorted(set(models[0].margins) & set(models[1].margins)))[:1]
    assert subset
    first.solve(subset, Deadline.after(SECONDS), subset[0])
    second.start_from(first.warm_starts())
    found = second.solve(subset, Deadline.after(SECONDS), subset[0])
    expected = alone.solve(subset, Deadline.after(SECONDS), subset[0])
    ends = {found.termination, expected.termination}
    assert ends != {Termination.INFEASIBLE, Termination.OPTIMAL}


@law(questions(), quick=15, deep=300)
def test_cuts_that_are_taken_over_hold_at_every_image(question: Question) -> None:
    """They are written anew for the bounds of the program that takes them over."""
    larger = replace(question, eps=np.minimum(1.2 * question.eps, 1.0))
    programs = [
        arrays_of(compiled(each, "interval", decision=True))[0] for each in (question, larger)
    ]
    rng = np.random.default_rng(0)
    small, large = programs
    points = small.lower + rng.random((3, small.columns)) * (small.upper - small.lower)
    cuts = [cut for x in points for cut in HULL.deepest(hulls_of(small), x, 20)]
    no_basis = SimpleNamespace(row_status=[], col_status=[None] * small.columns)
    warm_start = warm_start_of(small, [(cut, None) for cut in cuts], no_basis)
    smallest = HULL.smallest_coefficient
    own = [cut for cut, _ in cuts_by(warm_start, small, hulls_of(small), smallest)]
    for cut, again in zip(cuts, own, strict=True):
        assert np.array_equal(cut.columns, again.columns)
        assert np.allclose(cut.values, again.values)
    for cut, _ in cuts_by(warm_start, large, hulls_of(large), smallest):
        for _ in range(20):
            assert cut.values @ anywhere(large, cut.piece, rng)[cut.columns] <= cut.limit


def anywhere(program: LinearProgram, piece: Piece, rng: np.random.Generator) -> Array:
    """Return a point ``(n,)`` of the piece: its inputs anywhere between their ends or at them, the
    best candidate wins."""
    share = rng.random(program.columns)
    share = np.where(rng.random(program.columns) < 0.5, share.round(), share)
    point = np.asarray(program.lower + share * (program.upper - program.lower))
    values = piece.values(point)
    point[piece.output] = values.max()
    point[piece.wins] = np.arange(len(piece.wins)) == values.argmax()
    return point


def test_branchings_are_known_by_the_names_of_their_integers() -> None:
    programs = (
        arrays_of(compiled(question, "interval", decision=True))[0]
        for question in random_questions(20)
    )
    program = next(each for each in programs if each.integer.sum() > 1)
    branchings: Branchings = {frozenset(): 0, frozenset({(0, 1.0)}): 1}
    warm_start = WarmStart(branchings=named(program, branchings))
    assert branchings_by(warm_start, program) == branchings
    names = tuple(f"other {name}" for name in program.names)
    assert branchings_by(warm_start, replace(program, names=names)) == {}


def test_cuts_of_an_engine_before_are_there_without_a_round_of_its_own() -> None:
    taken = 0
    for question in random_questions(5):
        model = compiled(question, "interval", decision=True)
        for row in model.margins:
            first = backend(BranchAndCut()).open(model)
            first.solve((row,), Deadline.after(SECONDS), row)
            second = backend(NO_CUTS).open(model)
            second.start_from(first.warm_starts())
            report = second.solve((row,), Deadline.after(SECONDS), row)
            taken += int(report.message.split()[5]) if report.message.startswith("branch") else 0
    assert taken > 0


def test_only_the_latest_branchings_are_remembered() -> None:
    method = replace(NO_CUTS, branchings=2)
    most = [0, 0]
    for question in random_questions(20):
        model = compiled(question, "interval", decision=True)
        for row in model.margins:
            for number, each in enumerate((NO_CUTS, method)):
                session = backend(each).open(model)
                session.solve((row,), Deadline.after(SECONDS), row)
                warm_start = session.warm_starts()
                assert isinstance(warm_start, WarmStarts)
                for answer in warm_start.by_rows.values():
                    most[number] = max(most[number], len(answer.branchings))
    assert most[0] > most[1] == 2


def backend(method: BranchAndCut) -> ProgramBackend:
    """Return branch and cut with the numbers of ``method``."""
    return ProgramBackend(solver("highs").profile, branching(method))
