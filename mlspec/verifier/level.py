"""The robustness level of a neighborhood, which is the least margin of its images.

The level is the least margin over the claims, and over the subsets of ``k`` margins of each, the
least of ``max m_i``. A subset whose bound is above the margin of a known image cannot attain it, so
few are searched, the weakest bound first. The lower end is proved by bounds and by dual bounds in
float64, the upper end is the margin of an image in a float64 forward pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from mlspec.bounds.analysis import Analysis, OpenClaim, Subset
from mlspec.core.deadline import Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, Proof
from mlspec.errors import ContradictionError, SolverError
from mlspec.tolerances import REPLAY_AGREEMENT, ROBUST_MARGIN
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.minimum import MinimumSearch
from mlspec.verifier.subset_query import SubsetQuery
from mlspec.verifier.trial import ModelTrial


@dataclass(frozen=True, eq=False)
class Level:
    """What is known of the least margin over one neighborhood."""

    lower: float
    """Certified: no image has a smaller margin."""
    images: Array
    """``(N, C, H, W)``, inside the neighborhood, weakest first."""
    margins: Array
    """``(N,)``: their margins in float64; the first is an upper bound of the level."""
    proof: Proof = Proof.BOUNDS
    """What the lower end rests on."""
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """What the level says of the neighborhood."""
        if self.lower > ROBUST_MARGIN:
            return Outcome.ROBUST
        return Outcome.VIOLATED if self.margins[0] <= 0.0 else Outcome.UNKNOWN

    @property
    def exact(self) -> bool:
        """Whether both ends agree."""
        return bool(self.margins[0] - self.lower <= REPLAY_AGREEMENT)


class Weakest:
    """The weakest images seen, each replayed in float64."""

    def __init__(self, problem: Problem, box: Box, images: Iterable[Array], kept: int) -> None:
        self._problem = problem
        self._box = box
        self._kept = kept
        self._found: list[tuple[float, Array]] = []
        for image in images:
            self.add(image)

    @property
    def least(self) -> float:
        """The smallest margin."""
        return self._found[0][0]

    def add(self, image: Array) -> float:
        """Take note of ``image`` ``(C, H, W)``, moved into the box, and return the smallest
        margin."""
        inside = self._box.clip(image)
        if not any(np.array_equal(inside, known) for _, known in self._found):
            self._found.append((float(self._problem.margin(inside[None])[0]), inside))
            self._found = sorted(self._found, key=lambda each: each[0])[: self._kept]
        return self.least

    def level(self, lower: float, proof: Proof) -> Level:
        """Return the level, given a lower bound; raises ContradictionError if an image is below."""
        images = np.stack([image for _, image in self._found])
        if self.least < lower - ROBUST_MARGIN:
            error = ContradictionError(
                f"a bound says that no margin is below {lower:g}, but an image has {self.least:g}: "
                "one of them is wrong, so nothing is certified"
            )
            ends = {"lower": self._box.lower, "upper": self._box.upper}
            error.evidence = {"witness": images[0], **ends}
            raise error
        margins = np.array([margin for margin, _ in self._found])
        return Level(min(lower, self.least), images, margins, proof)


@dataclass(frozen=True, eq=False)
class LevelFinder:
    """Finds levels."""

    problem: Problem
    models: ClaimModels
    """Of the solver that is asked for weak images, and of the prover."""
    minimum: MinimumSearch = field(default_factory=MinimumSearch)
    trial: ModelTrial = field(default_factory=ModelTrial)
    kept: int = 8
    """Weakest images that are reported."""
    asking: float = 0.5
    """Share of the time left that another solver than the prover has for one subset."""

    def find(
        self, box: Box, analysis: Analysis, images: Iterable[Array], deadline: Deadline
    ) -> Level:
        """Return the level over ``box`` as exactly as ``deadline`` allows.

        ``images``, at least one, are those that are known to be weak.
        """
        weakest = Weakest(self.problem, box, images, self.kept)
        lower, proof = np.inf, Proof.BOUNDS
        for item in analysis.claims:
            bounds = dict(self._bounds(item, weakest.least))
            before = dict(bounds)
            with suppress(SolverError):  # then the bounds stay as they are
                self._tighten(box, analysis, item, bounds, weakest, deadline)
            if bounds != before:
                proof = Proof.DUAL_BOUNDS
            lower = min([lower, *bounds.values()])
        return weakest.level(min(lower, weakest.least), proof)

    def _bounds(self, item: OpenClaim, least: float) -> Iterator[tuple[Subset, float]]:
        """Yield the subsets that may attain less than ``least``, with lower bounds."""
        for subset in item.claim.subsets(item.margins < least):
            alone = float(item.margins[list(subset)].max())
            yield subset, max(alone, item.subsets.get(subset, item.closed))

    def _tighten(
        self,
        box: Box,
        analysis: Analysis,
        item: OpenClaim,
        bounds: dict[Subset, float],
        weakest: Weakest,
        deadline: Deadline,
    ) -> None:
        """Raise those of ``bounds`` that are below the margin of every known image."""
        order = [s for s in sorted(bounds, key=bounds.__getitem__) if bounds[s] < weakest.least]
        if not order:
            return
        rows = sorted({row for subset in order for row in subset})
        sessions = self.models.optimising().opened(box, analysis.bounds(), item, rows)
        found: dict[Subset, float] = {}
        for subset in order:
            if deadline.passed:
                break
            if sessions.asking is not None:
                report = sessions.asking.solve(subset, deadline.within(self.asking * deadline.left))
                if report.image is not None:
                    weakest.add(report.image)
            query = SubsetQuery(self.problem, box, item, subset)
            found[subset] = self.minimum.lower_end(
                sessions.proving, query, bounds[subset], weakest.least, weakest.add, deadline
            )
        if found and self.trial.passed(sessions.proving, box, deadline.clock):
            bounds.update(found)
