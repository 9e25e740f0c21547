"""What one tree learnt, taken over by that of another box of the same network.

A cut by the hull of a piece is a choice of candidates for its inputs (``hull``). The coefficients
that belong to the choice follow from the bounds of the program; so whatever the bounds are, the
choices that made one relaxation tight are likely to make another one tight, at once, and from
nearly the same basis. The integers that one tree branched on need no trial in another one. All of
that is only a start: cuts are valid, and leaves are proved, in the program that they are used for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import highspy
import numpy as np

from mlspec.backends.program import LinearProgram
from mlspec.branching.hull import Hull, HullCut, hulls_of
from mlspec.branching.relaxation import Relaxation

Branchings = Mapping[frozenset[tuple[int, float]], int]
"""The place of the integer that was branched on in each node, by what the node fixes."""
MarginRows = tuple[str, ...]
"""The names of the row that is minimised and of those that limit a decision."""
REST: Final = ""
"""Stands for the value of a piece where none of its candidates wins."""


@dataclass(frozen=True)
class LearntCut:
    """A choice, by the names of variables, and how the basis of the root held its cut."""

    output: str
    """That of the piece."""
    chosen: Mapping[str, str]
    """The winner that is chosen for each input."""
    status: Any
    """Of its row in the basis."""


@dataclass(frozen=True)
class Learnt:
    """What the root of one program knows that is of use to another one."""

    cuts: Sequence[LearntCut] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)
    """How the basis held each variable."""
    rows: Mapping[str, Any] = field(default_factory=dict)
    """How it held each row."""
    branchings: Mapping[frozenset[tuple[str, float]], str] = field(default_factory=dict)
    """The integer that was branched on in each node, by the integers that the node fixes."""


@dataclass(frozen=True)
class Experience:
    """What one engine learnt by decisions on each set of margin rows: the same decisions on another
    box begin with it."""

    answers: Mapping[MarginRows, Learnt]


def learnt_from(program: LinearProgram, cuts: Sequence[tuple[HullCut, Any]], basis: Any) -> Learnt:
    """Return what ``program`` knows by ``cuts``, each with the status of its row, and by HiGHS's
    ``basis``, which has the rows of the program first."""
    if not program.names:
        return Learnt()
    names = program.names
    rows = dict(zip(program.row_names, basis.row_status, strict=False))
    columns = dict(zip(names, basis.col_status, strict=True))
    found = []
    for cut, status in cuts:
        winners = [*(names[column] for column in cut.piece.wins.tolist()), REST]
        inputs = [names[column] for column in cut.piece.inputs.tolist()]
        chosen = (winners[number] for number in cut.choice.tolist())
        pairs = dict(zip(inputs, chosen, strict=True))
        found.append(LearntCut(names[cut.piece.output], pairs, status))
    return Learnt(found, columns, rows)


def begin(relaxation: Relaxation, learnt: Learnt, program: LinearProgram, smallest: float) -> None:
    """Give ``relaxation`` of ``program`` the cuts and the basis of ``learnt``; coefficients below
    ``smallest`` are replaced (``HullCuts``)."""
    if learnt.cuts:
        found = [*cuts_by(learnt, program, hulls_of(program), smallest)]
        basis = basis_by(learnt, program, [status for _, status in found])
        relaxation.begin([cut for cut, _ in found], basis)


def cuts_by(
    learnt: Learnt, program: LinearProgram, hulls: Sequence[Hull], smallest: float
) -> Iterator[tuple[HullCut, Any]]:
    """Yield the cuts of ``program`` that choose as ``learnt`` says, each with the status of its
    row; an input that is new follows most of the others."""
    names = program.names
    if not names:
        return
    by_output = {names[hull.piece.output]: hull for hull in hulls}
    for each in learnt.cuts:
        hull = by_output.get(each.output)
        if hull is None:
            continue
        piece = hull.piece
        winners = {names[column]: number for number, column in enumerate(piece.wins.tolist())}
        if piece.rest is not None:
            winners[REST] = len(winners)
        usual = Counter(winner for winner in each.chosen.values() if winner in winners)
        if not usual:
            continue
        most = usual.most_common(1)[0][0]
        wanted = (each.chosen.get(names[column], most) for column in piece.inputs.tolist())
        choice = np.array([winners.get(winner, winners[most]) for winner in wanted], dtype=np.intp)
        cut = hull.chosen(choice, smallest)
        if cut is not None:
            yield cut, each.status


def named(
    program: LinearProgram, branchings: Branchings
) -> Mapping[frozenset[tuple[str, float]], str]:
    """Return ``branchings`` of ``program`` by the names of their integers."""
    if not program.names:
        return {}
    names = [program.names[column] for column in np.flatnonzero(program.integer).tolist()]
    return {
        frozenset((names[each], value) for each, value in fixed): names[place]
        for fixed, place in branchings.items()
    }


def branchings_by(learnt: Learnt, program: LinearProgram) -> Branchings:
    """Return the branchings of ``learnt`` whose integers ``program`` has."""
    if not program.names:
        return {}
    columns = np.flatnonzero(program.integer).tolist()
    places = {program.names[column]: place for place, column in enumerate(columns)}
    return {
        frozenset((places[name], value) for name, value in fixed): places[chosen]
        for fixed, chosen in learnt.branchings.items()
        if chosen in places and all(name in places for name, _ in fixed)
    }


def basis_by(learnt: Learnt, program: LinearProgram, of_cuts: Sequence[Any]) -> Any:
    """Return a basis of ``program`` and cuts whose rows have the status ``of_cuts``; what is new is
    basic if it is a row, else at its lower end. HiGHS makes a basis of it."""
    status, basis = highspy.HighsBasisStatus, highspy.HighsBasis()
    basis.col_status = [learnt.columns.get(name, status.kLower) for name in program.names]
    rows = [learnt.rows.get(name, status.kBasic) for name in program.row_names]
    basis.row_status = [*rows, *of_cuts]
    basis.valid = basis.alien = True
    return basis
