"""What the integers of a program say at one of its points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlspec.backends.program import LinearProgram
from mlspec.core.network import Array


class Pieces:
    """All pieces of a program; integers are counted by their place among the integers."""

    def __init__(self, program: LinearProgram) -> None:
        self._pieces = program.pieces
        self.columns = np.flatnonzero(program.integer)
        """``(integers,)``: the variables that are integers."""
        self.ends = program.lower[self.columns], program.upper[self.columns]
        places = {column: place for place, column in enumerate(self.columns.tolist())}
        self._wins = [[places[each] for each in piece.wins.tolist()] for piece in self._pieces]
        self._mirrored = [
            wins[1]
            for piece, wins in zip(self._pieces, self._wins, strict=True)
            if piece.rest is None and len(wins) == 2
        ]
        width = program.upper - program.lower
        self._spreads = [
            float((np.abs(piece.weights) @ width[piece.inputs]).max()) for piece in self._pieces
        ]

    def looseness(self, values: Array, prices: Array) -> Array:
        """Return for each integer how much the relaxation may gain from being loose where it
        decides, ``(integers,)``; ``prices`` ``(n,)`` are what a unit of each variable is worth.

        Of two integers that mirror each other the second has -1.
        """
        integers = values[self.columns]
        loose = np.zeros(len(integers))
        for piece, wins in zip(self._pieces, self._wins, strict=True):
            split = np.minimum(integers[wins], 1.0 - integers[wins])
            excess = float(values[piece.output] - piece.values(values).max())
            loose[wins] = np.maximum(loose[wins], prices[piece.output] * excess * split)
        loose[self._mirrored] = -1.0
        return loose

    def replayed(self, values: Array) -> tuple[Array, Array]:
        """Return a point ``(n,)`` with the same input whose outputs are what they should be, and
        the integers that this decides, ``(integers,)``; those without a piece are rounded."""
        point, winners = values.copy(), values[self.columns].round()
        for piece, wins in zip(self._pieces, self._wins, strict=True):
            candidates = piece.values(point)
            point[piece.output] = candidates.max()
            winners[wins] = 0.0
            winner = int(candidates.argmax())
            if winner < len(wins):
                winners[wins[winner]] = 1.0
        return point, winners

    def nearest_ties(self, point: Array, count: int) -> NDArray[np.bool_]:
        """Return which integers belong to the ``count`` pieces nearest to a tie, as booleans
        ``(integers,)``: their winner leads by the least share of the range of their values."""
        gaps = []
        for piece, spread in zip(self._pieces, self._spreads, strict=True):
            second, first = np.sort(piece.values(point))[-2:]
            gaps.append(float(first - second) / spread if spread > 0.0 else np.inf)
        chosen = np.zeros(len(self.columns), dtype=bool)
        for number in np.argsort(gaps, kind="stable")[:count].tolist():
            chosen[self._wins[number]] = True
        return chosen
