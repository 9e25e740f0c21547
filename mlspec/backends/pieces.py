"""What the integers of a program say at one of its points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlspec.backends.hull import Hull
from mlspec.backends.program import LinearProgram
from mlspec.core.network import Array


class Pieces:
    """All pieces of a program; integers are counted by their place among the integers."""

    def __init__(self, program: LinearProgram) -> None:
        self.hulls = [Hull(piece, program.lower, program.upper) for piece in program.pieces]
        self.columns = np.flatnonzero(program.integer)
        """``(integers,)``: the variables that are integers."""
        self.ends = program.lower[self.columns], program.upper[self.columns]
        places = {column: place for place, column in enumerate(self.columns.tolist())}
        self._wins = [[places[each] for each in hull.piece.wins.tolist()] for hull in self.hulls]
        self._mirrored = [
            wins[1]
            for hull, wins in zip(self.hulls, self._wins, strict=True)
            if hull.piece.rest is None and len(wins) == 2
        ]

    def looseness(self, values: Array, prices: Array) -> Array:
        """Return for each integer how much the relaxation may gain from being loose where it
        decides, ``(integers,)``; ``prices`` ``(n,)`` are what a unit of each variable is worth.

        Of two integers that mirror each other the second has -1.
        """
        integers = values[self.columns]
        loose = np.zeros(len(integers))
        for hull, wins in zip(self.hulls, self._wins, strict=True):
            split = np.minimum(integers[wins], 1.0 - integers[wins])
            worth = prices[hull.piece.output] * hull.looseness(values)
            loose[wins] = np.maximum(loose[wins], worth * split)
        loose[self._mirrored] = -1.0
        return loose

    def replayed(self, values: Array) -> tuple[Array, Array]:
        """Return a point ``(n,)`` with the same input whose outputs are what they should be, and
        who wins there ``(integers,)``."""
        point, winners = values.copy(), np.zeros(len(self.columns))
        for hull, wins in zip(self.hulls, self._wins, strict=True):
            candidates = hull.values(point)
            point[hull.piece.output] = candidates.max()
            winner = int(candidates.argmax())
            if winner < len(wins):
                winners[wins[winner]] = 1.0
        return point, winners

    def nearest_ties(self, point: Array, count: int) -> NDArray[np.bool_]:
        """Return which integers belong to the ``count`` pieces nearest to a tie, as booleans
        ``(integers,)``."""
        gaps = [hull.gap(point) for hull in self.hulls]
        chosen = np.zeros(len(self.columns), dtype=bool)
        for number in np.argsort(gaps, kind="stable")[:count].tolist():
            chosen[self._wins[number]] = True
        return chosen
