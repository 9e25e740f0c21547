"""Warm starts: cuts, basis and branchings of one tree, for a tree on another box of the network.

A cut by the hull of a piece is a choice of candidates for its inputs (``hull``). Its coefficients
follow from the choice and from the bounds of the program. The choices that made one relaxation
tight are likely to make another one tight, at once, and from nearly the same basis. The integers
that one tree branched on need no trial in another one. None of this is a proof: cuts are computed
anew, and leaves are proved, in the program that they are used for.
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
class WarmCut:
    """A cut of the root, by the names of variables."""

    output: str
    """The output of its piece."""
    chosen: Mapping[str, str]
    """The winner that is chosen for each input."""
    status: Any
    """How the basis held its row."""


@dataclass(frozen=True)
class WarmStart:
    """What the tree of one program hands on to the tree of another one."""

    cuts: Sequence[WarmCut] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)
    """How the basis held each variable."""
    rows: Mapping[str, Any] = field(default_factory=dict)
    """How it held each row."""
    branchings: Mapping[frozenset[tuple[str, float]], str] = field(default_factory=dict)
    """The integer that was branched on in each node, by the integers that the node fixes."""


@dataclass(frozen=True)
class WarmStarts:
    """The warm starts of one engine, by the margin rows of the decision that they come from."""

    by_rows: Mapping[MarginRows, WarmStart]


def warm_start_of(
    program: LinearProgram, cuts: Sequence[tuple[HullCut, Any]], basis: Any
) -> WarmStart:
    """Return what ``program`` knows by ``cuts``, each with the status of its row, and by HiGHS's
    ``basis``, which has the rows of the program first."""
    if not program.names:
        return WarmStart()
    names = program.names
    rows = dict(zip(program.row_names, basis.row_status, strict=False))
    columns = dict(zip(names, basis.col_status, strict=True))
    found = []
    for cut, status in cuts:
        winners = [*(names[column] for column in cut.piece.wins.tolist()), REST]
        inputs = [names[column] for column in cut.piece.inputs.tolist()]
        chosen = (winners[number] for number in cut.choice.tolist())
        pairs = dict(zip(inputs, chosen, strict=True))
        found.append(WarmCut(names[cut.piece.output], pairs, status))
    return WarmStart(found, columns, rows)


def begin(
    relaxation: Relaxation, warm_start: WarmStart, program: LinearProgram, smallest: float
) -> None:
    """Give ``relaxation`` of ``program`` the cuts and the basis of ``warm_start``.

    Coefficients below ``smallest`` are replaced (``HullCuts``).
    """
    if warm_start.cuts:
        found = [*cuts_by(warm_start, program, hulls_of(program), smallest)]
        basis = basis_by(warm_start, program, [status for _, status in found])
        relaxation.begin([cut for cut, _ in found], basis)


def cuts_by(
    warm_start: WarmStart, program: LinearProgram, hulls: Sequence[Hull], smallest: float
) -> Iterator[tuple[HullCut, Any]]:
    """Yield the cuts of ``program`` that choose as ``warm_start`` says, each with the status of its
    row; an input that is new takes the winner of most others."""
    names = program.names
    if not names:
        return
    by_output = {names[hull.piece.output]: hull for hull in hulls}
    for each in warm_start.cuts:
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


def branchings_by(warm_start: WarmStart, program: LinearProgram) -> Branchings:
    """Return the branchings of ``warm_start`` whose integers ``program`` has."""
    if not program.names:
        return {}
    columns = np.flatnonzero(program.integer).tolist()
    places = {program.names[column]: place for place, column in enumerate(columns)}
    return {
        frozenset((places[name], value) for name, value in fixed): places[chosen]
        for fixed, chosen in warm_start.branchings.items()
        if chosen in places and all(name in places for name, _ in fixed)
    }


def basis_by(warm_start: WarmStart, program: LinearProgram, of_cuts: Sequence[Any]) -> Any:
    """Return a basis of ``program`` and cuts whose rows have the status ``of_cuts``; what is new is
    basic if it is a row, else at its lower end. HiGHS makes a basis of it."""
    status, basis = highspy.HighsBasisStatus, highspy.HighsBasis()
    basis.col_status = [warm_start.columns.get(name, status.kLower) for name in program.names]
    rows = [warm_start.rows.get(name, status.kBasic) for name in program.row_names]
    basis.row_status = [*rows, *of_cuts]
    basis.valid = basis.alien = True
    return basis
