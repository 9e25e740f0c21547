"""The linear relaxation of a program in HiGHS, with cuts.

Its bounds are dual bounds (``mlspec.branching.bound``) of the multipliers that HiGHS ends with:
they hold however inexact those are, and whatever HiGHS's tolerances.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import highspy
import numpy as np
from scipy import sparse

from mlspec.backends.engine import Options
from mlspec.backends.highs import OPERATIONS, HighsEngine, opened, set_option
from mlspec.backends.program import Indices, LinearProgram
from mlspec.branching.bound import Rows, dual_bound
from mlspec.branching.hull import HullCut
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array

STATUS = highspy.HighsModelStatus


class NumericalTroubleError(Exception):
    """A linear program ended with neither a bound nor an optimum, or a cut is wrong."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """The result of a run."""

    bound: float
    """A proved lower bound of the cost; infinite if there is no point."""
    values: Array | None
    """``(n,)``: an optimum; None if the run ended without one."""
    end: Any
    """HiGHS's status."""
    multipliers: Array | None = None
    """``(m,)``: of the rows and cuts, if the run ended with an optimum."""


@dataclass(frozen=True, eq=False)
class Basis:
    """A basis that a later run may start from."""

    held: Any
    """HiGHS's basis."""
    epoch: int
    """How often rows had been dropped before: a drop renumbers the rows."""


class Relaxation:
    """Minimises ``cost`` over a program without its integrality.

    ``loose`` is the distance from tight at which a cut counts as not binding, and the excess at
    which it counts as violated by a known point.
    """

    runs: ClassVar[Options] = {
        "presolve": "off",
        "simplex_scale_strategy": 0,
        "dual_simplex_cost_perturbation_multiplier": 0.0,
    }
    """A basis of the last run is worth more than a presolved model. Rows and columns are of order
    one as they come: scaled ones need a second run. A run that is cut short says something only of
    costs that are not perturbed."""
    short: ClassVar[Options] = {"simplex_dual_edge_weight_strategy": 1}
    """Devex: a run of few iterations from a given basis takes less time than its steepest edges."""

    def __init__(
        self, program: LinearProgram, options: Options, cancelled: threading.Event, loose: float
    ) -> None:
        self._loose = loose
        self._program = replace(program, integer=np.zeros_like(program.integer))
        self._options = {**options, **self.runs}
        self.cancelled = cancelled
        """Set where its run has to end soon."""
        self._highs = opened(self._program, self._options, cancelled)
        self._limits: dict[int, float] = {}
        self._cost = program.cost.copy()
        self._lower, self._upper = program.lower.copy(), program.upper.copy()
        self._base = program.rows
        self._matrix = program.matrix
        self._low = np.where(program.kind <= 0, program.rhs, -np.inf)
        self._high = np.where(program.kind >= 0, program.rhs, np.inf)
        self._cuts: list[HullCut] = []
        self._stacked: Rows | None = None
        self._epoch = 0
        self.known: Sequence[Array] = ()
        """Points ``(n,)`` of the program, integers and all: no cut may leave one out."""

    @property
    def cuts(self) -> int:
        """Number of cuts."""
        return len(self._cuts)

    @property
    def basis(self) -> Basis:
        """The basis of the last run."""
        return Basis(self._highs.getBasis(), self._epoch)

    def set_limits(self, limits: Mapping[int, float]) -> None:
        """Set right-hand sides of rows of the kind <=."""
        self._limits |= limits
        for row, value in limits.items():
            self._high[row] = value
            self._highs.changeRowBounds(row, -highspy.kHighsInf, value)

    def set_cost(self, cost: Array) -> None:
        """Set the objective ``(n,)``."""
        self._cost = cost
        self._highs.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)

    def companion(self) -> Relaxation:
        """Return another relaxation of the same program, for short runs from a basis of this one;
        ``take_cuts_of`` this one comes before each."""
        options = {**self._options, **self.short}
        other = Relaxation(self._program, options, self.cancelled, self._loose)
        other.set_limits(self._limits)
        other.set_cost(self._cost)
        return other

    def take_cuts_of(self, main: Relaxation) -> None:
        """Take over all cuts of ``main``, in its order, so that its bases fit."""
        if self._epoch != main._epoch:
            self._drop(range(len(self._cuts)))
            self._epoch = main._epoch
        self._append(main._cuts[len(self._cuts) :])
        self._stacked = main._all_rows()

    def fix(self, columns: Indices, lower: Array, upper: Array) -> None:
        """Set the bounds of ``columns``."""
        self._lower[columns], self._upper[columns] = lower, upper
        self._highs.changeColsBounds(len(columns), columns.astype(np.int32), lower, upper)

    def start_from(self, basis: Basis) -> None:
        """Start the next run from the basis of an earlier one; newer cuts join it as basic rows. A
        basis from before rows were dropped is ignored."""
        if basis.epoch == self._epoch:
            held = basis.held
            missing = self._base + len(self._cuts) - len(held.row_status)
            if missing:
                held.row_status = [*held.row_status, *[highspy.HighsBasisStatus.kBasic] * missing]
            self._highs.setBasis(held)

    def clear_basis(self) -> None:
        """Start the next run without a basis."""
        self._highs.clearSolver()

    def solve(self, deadline: Deadline = NEVER, iterations: int | None = None) -> Relaxed:
        """Run until ``deadline``, for so many simplex iterations at most."""
        iterate = OPERATIONS.of_iteration(self._program, len(self._cuts))
        limit = self._highs.getRunTime() + max(deadline.wall_left, 0.0)
        most = HighsEngine.no_limit if iterations is None else iterations
        affordable = min(deadline.operations_left / iterate + 1.0, HighsEngine.no_limit)
        set_option(self._highs, "time_limit", limit)
        set_option(self._highs, "simplex_iteration_limit", min(most, int(affordable)))
        self._highs.run()
        deadline.spend(iterate * (1 + self._highs.getInfo().simplex_iteration_count))
        end = self._highs.getModelStatus()
        solution = self._highs.getSolution()
        if end == STATUS.kInfeasible:
            return Relaxed(self._infeasible(), None, end)
        multipliers = np.array(solution.row_dual)
        bound = self._bound(multipliers, self._cost) if solution.dual_valid else -np.inf
        if end != STATUS.kOptimal:
            return Relaxed(bound, None, end)
        return Relaxed(bound, np.array(solution.col_value), end, multipliers)

    def prices(self, relaxed: Relaxed) -> Array:
        """Return the weight of each variable in the rows that bind at an optimum, ``(n,)``: its
        coefficients' absolute values, weighted by those of the multipliers.

        No cut may have come or gone since.
        """
        if relaxed.multipliers is None:
            return np.ones_like(self._cost)
        return np.asarray(self._all_rows().magnitudes.T @ np.abs(relaxed.multipliers))

    def add(self, cuts: Sequence[HullCut]) -> None:
        """Add cuts; raises NumericalTroubleError where one leaves out a point that is known."""
        for cut in cuts:
            if any(
                cut.values @ point[cut.columns] > cut.limit + self._loose for point in self.known
            ):
                raise NumericalTroubleError("a cut leaves out a point of the program")
        self._append(cuts)

    def _append(self, cuts: Sequence[HullCut]) -> None:
        for cut in cuts:
            self._highs.addRow(
                -highspy.kHighsInf, cut.limit, len(cut.columns), cut.columns, cut.values
            )
        self._cuts += cuts
        self._stacked = None

    def binding(self) -> list[tuple[HullCut, Any]]:
        """Return the cuts that bind at the last optimum, each with the status of its row in the
        basis; none where there is no basis or no optimum."""
        statuses = list(self._highs.getBasis().row_status)[self._base :]
        rows = len(self._highs.getSolution().row_value)
        if len(statuses) != len(self._cuts) or rows != self._base + len(self._cuts):
            return []
        loose = set(self._loose_ones())
        pairs = zip(self._cuts, statuses, strict=True)
        return [pair for number, pair in enumerate(pairs) if number not in loose]

    def begin(self, cuts: Sequence[HullCut], basis: Any) -> None:
        """Add cuts, and start the next run from a basis of HiGHS."""
        self.add(cuts)
        self._highs.setBasis(basis)

    def drop_loose(self) -> None:
        """Drop the cuts that do not bind at the last optimum."""
        loose = self._loose_ones()
        if loose:
            self._drop(loose)
            self._epoch += 1

    def _loose_ones(self) -> list[int]:
        activity = np.array(self._highs.getSolution().row_value)[self._base :]
        return [
            number
            for number, (cut, value) in enumerate(zip(self._cuts, activity, strict=True))
            if cut.limit - value > self._loose
        ]

    def _drop(self, numbers: Sequence[int]) -> None:
        rows = np.array(numbers, dtype=np.int32) + self._base
        self._highs.deleteRows(len(rows), rows)
        gone = set(numbers)
        self._cuts = [cut for number, cut in enumerate(self._cuts) if number not in gone]
        self._stacked = None

    def _infeasible(self) -> float:
        """Return infinity if the ray that HiGHS gives proves that there is no point."""
        _, given, ray = self._highs.getDualRay()
        if not given:
            return -np.inf
        zero = np.zeros_like(self._cost)
        proved = any(self._bound(sign * np.array(ray), zero) > 0.0 for sign in (1.0, -1.0))
        return np.inf if proved else -np.inf

    def _bound(self, multipliers: Array, cost: Array) -> float:
        limits = np.array([cut.limit for cut in self._cuts])
        low = np.append(self._low, np.full(len(limits), -np.inf))
        high = np.append(self._high, limits)
        box = self._lower, self._upper
        return dual_bound(multipliers, cost, self._all_rows(), (low, high), box)

    def _all_rows(self) -> Rows:
        if self._stacked is None:
            starts = np.cumsum([0, *(len(cut.columns) for cut in self._cuts)])
            columns = np.concatenate([cut.columns for cut in self._cuts] or [np.zeros(0, int)])
            values = np.concatenate([cut.values for cut in self._cuts] or [np.zeros(0)])
            shape = (len(self._cuts), self._matrix.shape[1])
            cuts = sparse.csr_array((values, columns, starts), shape=shape)
            stacked = sparse.vstack([self._matrix, cuts], format="csr")
            self._stacked = Rows.of(sparse.csr_array(stacked))
        return self._stacked
