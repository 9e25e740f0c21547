"""The exact robustness level of a neighborhood, and its weakest images: MILPs as optimisations.

The level is the least margin of all images: over the claims, and the subsets of k margins of each,
the least of ``max m_i``. A subset whose bound is above a margin that some image has cannot attain
it, so few are optimised, the weakest bound first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from mlspec.bounds.analysis import Analysis, OpenClaim, Subset
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.errors import ContradictionError, SolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Backend
from mlspec.tolerances import REPLAY_AGREEMENT
from mlspec.verifier.complete import TRIAL_SECONDS, TRIAL_SHARE

KEPT = 8
"""Weakest images that are kept."""


@dataclass(frozen=True, eq=False)
class Level:
    """What is known of the least margin over one neighborhood."""

    lower: float
    """Certified: no image has a smaller margin."""
    images: Array
    """``(N, C, H, W)``, inside the neighborhood, weakest first."""
    margins: Array
    """``(N,)``: their margins in float64; the first is an upper bound of the level."""
    seconds: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether both bounds agree, but for what solvers' tolerances and a replay differ by."""
        return bool(self.margins[0] - self.lower <= REPLAY_AGREEMENT)


class Weakest:
    """The weakest images seen, each replayed in float64."""

    def __init__(self, problem: Problem, box: Box, images: Iterable[Array]) -> None:
        self._problem = problem
        self._box = box
        self._found: list[tuple[float, Array]] = []
        for image in images:
            self.add(image)

    @property
    def least(self) -> float:
        """The smallest margin."""
        return self._found[0][0]

    def add(self, image: Array) -> None:
        """Take note of ``image`` ``(C, H, W)``, moved into the box."""
        inside = self._box.clip(image)
        if not any(np.array_equal(inside, known) for _, known in self._found):
            self._found.append((float(self._problem.margin(inside[None])[0]), inside))
            self._found = sorted(self._found, key=lambda each: each[0])[:KEPT]

    def level(self, lower: float) -> Level:
        """Return the level, given a lower bound; raises ContradictionError if an image is below."""
        images = np.stack([image for _, image in self._found])
        if self.least < lower - REPLAY_AGREEMENT:
            error = ContradictionError(
                f"a bound says that no margin is below {lower:g}, but an image has {self.least:g}: "
                "one of them is wrong, so nothing is certified"
            )
            ends = {"lower": self._box.lower, "upper": self._box.upper}
            error.evidence = {"witness": images[0], **ends}
            raise error
        margins = np.array([margin for margin, _ in self._found])
        return Level(min(lower, self.least), images, margins)


@dataclass(frozen=True, eq=False)
class LevelFinder:
    """Finds levels by one solver."""

    problem: Problem
    compiler: Compiler
    backend: Backend

    def find(self, box: Box, analysis: Analysis, images: Iterable[Array], deadline: float) -> Level:
        """Return the level over ``box`` as exactly as ``deadline`` (in ``time.monotonic()``
        seconds) allows.

        ``images``, at least one, are those that are known to be weak.
        """
        weakest = Weakest(self.problem, box, images)
        lower = float("inf")
        for item in analysis.claims:
            bounds = dict(self._bounds(item, weakest.least))
            with suppress(SolverError):  # then the bounds stay as they are
                self._tighten(box, analysis, item, bounds, weakest, deadline)
            lower = min([lower, *bounds.values()])
        return weakest.level(min(lower, weakest.least))

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
        deadline: float,
    ) -> None:
        """Optimise the subsets of ``bounds`` that may attain less than any known image."""
        order = [s for s in sorted(bounds, key=bounds.__getitem__) if bounds[s] < weakest.least]
        if not order:
            return
        rows = sorted({row for subset in order for row in subset})
        optimising = replace(self.compiler, decision=False)
        session = self.backend.open(optimising.compile(box, analysis.bounds(), item.claim, rows))
        found: dict[Subset, float] = {}
        for subset in order:
            left = deadline - time.monotonic()
            if left <= 0.0:
                break
            if bounds[subset] >= weakest.least:
                continue
            report = session.solve(subset, left)
            if report.image is not None:
                weakest.add(report.image)
            if report.dual_bound is not None:
                found[subset] = max(bounds[subset], report.dual_bound)
        # As in a decision: a model that lacks an image proves nothing.
        inside = box.lower + TRIAL_SHARE * (box.upper - box.lower)
        if found and session.admits(inside, TRIAL_SECONDS):
            bounds.update(found)
