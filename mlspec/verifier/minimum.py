"""Encloses the least value that the largest margin of a subset takes over a box.

Each round asks branch and cut for an image whose margins all lie below the least value known. An
image that it finds is moved to the minimum of its linear region and replayed: its value is the new
least one. Dual bounds in float64 prove that there is none, and the lower end when time is up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.milp.model import ProvingSession
from mlspec.tolerances import MILP_MARGIN
from mlspec.verifier.subset_query import SubsetQuery


@dataclass(frozen=True)
class MinimumSearch:
    """Minimises the largest margin of a subset by decisions."""

    gap: float = 2e-5
    """How far below the least value known the lower end is sought, in units of scores. Nearer to it
    a linear program cannot tell points from the optimum: rows hold to 1e-9 of order one."""
    faster: float = 4.0
    """After each image that is found the next question is so many times farther below it. Without
    this factor the number of decisions is unbounded: each image may be only a little better."""
    region_seconds: float = 2.0
    """Time for the linear program of the region of an image."""

    def lower_end(
        self,
        session: ProvingSession,
        query: SubsetQuery,
        proved: float,
        least: float,
        replay: Callable[[Array], float],
        deadline: Deadline,
    ) -> float:
        """Return a proved lower bound of the minimum over ``query``, ``proved`` or more.

        ``session`` holds a decision model. ``least`` is the smallest value known; ``replay``
        returns the smallest value known once it has taken note of an image ``(C, H, W)``.
        """
        step = self.gap
        while proved < least - self.gap and not deadline.passed:
            target = max(least - step, (proved + least) / 2)
            report = session.solve(query.subset, deadline, query.guide, MILP_MARGIN - target)
            if report.image is not None:
                end = deadline.within(self.region_seconds)
                region = session.near(report.image, query.subset, end, query.guide)
                found = [each for each in (report.image, region.image) if each is not None]
                value = min(map(replay, found))
                if value >= least:
                    break
                least, step = value, step * self.faster
            elif report.certified and report.dual_bound is not None and report.dual_bound > proved:
                proved = report.dual_bound
                step = max(step / self.faster, self.gap)
            else:
                break
        return proved
