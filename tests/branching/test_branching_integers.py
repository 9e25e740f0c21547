"""Integers without a piece, or that are no binaries: branch and cut, or HiGHS, decides them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backend_cases import compiled, random_questions
from branching_cases import NO_CUTS, asked
from machines import solver
from scipy import sparse

from mlspec.backends.highs import HighsEngine
from mlspec.backends.program import LinearProgram, Piece, arrays_of
from mlspec.branching.engine import BRANCHING, BranchingEngine
from mlspec.core.deadline import Deadline
from mlspec.milp.model import Termination


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
