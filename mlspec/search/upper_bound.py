"""The upper bound: how much any robust neighborhood can be worth, by what is refuted so far."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mlspec.core.network import Array
from mlspec.core.objective import Objective, WeightedSum
from mlspec.core.trace import Cut
from mlspec.errors import ContradictionError
from mlspec.search.polyblock import remaining


class UpperBound:
    """Bounds the size and the objective of every robust eps that is at least ``floor``.

    They rest on the cuts of violating images, and for the objective also on values that are refuted
    as a whole (``slices``).
    """

    def __init__(self, objective: Objective, floor: Array, cuts: Iterable[Cut] = ()) -> None:
        self._objective = objective
        self._floor = floor
        self._by_objective = remaining(objective, floor)
        self._by_size = self._by_objective
        if objective.name != WeightedSum.name:
            self._by_size = remaining(WeightedSum(objective.weights), floor)
        self._refuted = np.inf
        """No eps of this value or more is robust."""
        for cut in cuts:
            self.add(cut)

    @property
    def value(self) -> float:
        """No robust eps has a larger value of the objective."""
        return min(self._by_objective.largest()[0], self._refuted)

    @property
    def size(self) -> float:
        """No robust eps is larger in size."""
        if self._by_size is self._by_objective:
            return self.value
        return self._by_size.largest()[0]

    @property
    def vertex(self) -> Array:
        """The eps ``(R,)`` of the largest value that no cut rules out."""
        return self._by_objective.largest()[1]

    def add(self, cut: Cut) -> None:
        """Take a cut into account."""
        self._by_objective.add(cut.extents)
        if self._by_size is not self._by_objective:
            self._by_size.add(cut.extents)

    def refute(self, value: float) -> None:
        """Take into account that no eps of ``value`` or more is robust."""
        self._refuted = min(self._refuted, value)

    def require_agreement(self, robust: Array) -> None:
        """Raise ContradictionError where the certified eps ``robust`` has a value that is
        refuted."""
        value = float(self._objective.values(robust))
        if value >= self._refuted and np.all(robust >= self._floor):
            error = ContradictionError(
                f"bounds refute every neighborhood of a value of {self._refuted:.6g} or more, but "
                f"one with {self._objective.symbol} = {value:.4g} is certified: one stage is "
                "wrong, so nothing is certified; please report the saved evidence"
            )
            error.evidence = {"eps": robust, "floor": self._floor, "value": self._refuted}
            raise error
