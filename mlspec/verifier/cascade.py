"""The verifier: stages from cheap to complete, each only for what the last left open.

interval -> CROWN -> attack -> alpha-CROWN -> MILP. A stage may answer only with evidence: a sound
bound or a solver's proof for ROBUST, a witness replayed in float64 for VIOLATED.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from mlspec.attack.families import Families
from mlspec.attack.nearest import NearestAttack
from mlspec.attack.pgd import PgdAttack
from mlspec.attack.reduce import reduced
from mlspec.bounds.analysis import Analysis, Bounder
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import Path
from mlspec.core.trace import Cut, Refutation
from mlspec.core.verdict import (
    Account,
    CertifiedMargin,
    Outcome,
    Stage,
    Verdict,
    WeakestPoints,
)
from mlspec.verifier.complete import CompleteStage
from mlspec.verifier.memory import Memory
from mlspec.verifier.refute import Refuter


@dataclass(frozen=True)
class Stages:
    """The parts of the cascade; ``complete`` is None where bounds have the last word."""

    attack: PgdAttack
    scout: PgdAttack
    """A cheaper attack, for weakest points on the way."""
    nearest: NearestAttack
    bounder: Bounder
    linear: bool
    """Use CROWN, beyond intervals."""
    alpha: bool
    """Use alpha-CROWN, beyond CROWN."""
    complete: CompleteStage | None
    families: Families
    """Violating images for the radii beside those that are known to be broken."""


RECENT = 64
"""Known witnesses that are looked at."""
NEAR = 4
"""Weak images whose linear regions the complete stage searches first."""


class Cascade:
    """Answers for neighborhoods of one problem, and remembers what it learned."""

    def __init__(self, problem: Problem, stages: Stages) -> None:
        self._problem = problem
        self._stages = stages
        self._memory = Memory(problem)
        self._refuter = Refuter(
            problem, stages.scout, stages.bounder, stages.families, self._memory
        )
        self._last_attack: tuple[Array, WeakestPoints] | None = None

    def verify(self, eps: Array, seconds: float) -> Verdict:
        """Decide whether the neighborhood of radius ``eps`` is robust, in about ``seconds`` at
        most."""
        began = time.monotonic()
        accounts: list[Account] = []
        verdict = self._decide(eps, began + seconds, accounts)
        return self._noted(eps, replace(verdict, accounts=tuple(accounts)), began)

    def bound(self, eps: Array) -> Verdict:
        """Certify by bounds alone, without optimising them: ROBUST or UNKNOWN."""
        began = time.monotonic()
        return self._noted(eps, self._bounded(eps, [])[0], began)

    def certified(self, eps: Array) -> CertifiedMargin:
        """Return the margin that CROWN certifies, with its gradient through the bounds."""
        began = time.monotonic()
        neighborhood = self._problem.neighborhood(eps)
        margin, by_lower, by_upper = self._stages.bounder.slopes(neighborhood.box)
        found = CertifiedMargin(
            np.array([margin]), neighborhood.derivatives(by_lower, by_upper)[None]
        )
        if not found.lost:
            self._noted(eps, Verdict(Outcome.ROBUST, Stage.CROWN, margin), began)
        return found

    def weakest(self, eps: Array, *, thorough: bool = False) -> WeakestPoints:
        """Return the weakest points an attack finds; ``thorough`` spends as much on it as
        ``verify``."""
        known = self._memory.witnesses
        points = self._attacked(eps) if thorough else self._stages.scout.find(eps, known)
        if points.violates:
            self._memory.note_witness(points.images[0])
        return points

    def reduced(self, witness: Array, path: Path) -> Cut:
        """Return the cut of ``witness``, moved into the smallest neighborhood on ``path`` in which
        it still violates."""
        smaller = reduced(self._problem, witness, path)
        return Cut(self._memory.note_witness(smaller), smaller)

    def refute(self, radii: Array) -> Refutation:
        """Look for a proof that no convex combination of ``radii`` ``(V, R)`` is robust."""
        return self._refuter.refute(radii)

    def nearest(self, path: Path, seconds: float) -> tuple[float, Cut] | None:
        """Return the least share of ``path`` at which an attack of about ``seconds`` at most, and
        what is remembered, knows a violation, and its cut; None if there is none."""
        known = self._memory.witnesses
        found = self._stages.nearest.find(path, known, time.monotonic() + seconds)
        if found is None:
            return None
        return found.share, Cut(self._memory.note_witness(found.image), found.image)

    def learn(self, images: Array) -> list[Cut]:
        """Remember the violating ones among ``images`` ``(N, C, H, W)`` and return them as cuts.

        Images that no radius contains (a fixed pixel moved, a value beyond [0, 1]) are left out.
        """
        largest = self._problem.neighborhood(np.ones(self._problem.layering.count)).box
        return [
            Cut(self._memory.note_witness(image), image)
            for image in images
            if largest.contains(image) and self._problem.margin(image[None])[0] <= 0.0
        ]

    def _decide(self, eps: Array, deadline: float, accounts: list[Account]) -> Verdict:
        began = time.monotonic()
        witness = self._memory.witness_inside(eps)
        if witness is not None:
            accounts.append(_account(Stage.RECALL, began, "a known witness lies inside"))
            return self._violated(witness, Stage.RECALL)
        verdict, analysis = self._bounded(eps, accounts)
        if verdict.robust or analysis is None:
            return verdict
        began = time.monotonic()
        points = self._attacked(eps)
        found = "a violating image" if points.violates else "no violating image"
        finding = f"{found}, least margin {points.margins[0]:.3g}"
        accounts.append(_account(Stage.ATTACK, began, finding))
        if points.violates:
            return self._violated(points.images[0], Stage.ATTACK)
        if self._stages.alpha:
            began = time.monotonic()
            analysis = self._stages.bounder.alpha(analysis, deadline)
            accounts.append(_account(Stage.ALPHA, began, _finding(analysis)))
            if analysis.robust:
                return Verdict(Outcome.ROBUST, Stage.ALPHA, analysis.margin)
        if self._stages.complete is None:
            return _undecided(Stage.ALPHA, analysis)
        box = self._problem.neighborhood(eps).box
        near = self._weak(box, points)
        return self._stages.complete.decide(box, analysis, near, deadline, accounts)

    def _weak(self, box: Box, points: WeakestPoints) -> list[Array]:
        """Return the weakest known images of ``box``, attack's points and earlier witnesses."""
        known = self._memory.witnesses[-RECENT:]
        images = np.stack([*points.images, *(box.clip(image) for image in known)])
        return list(images[np.argsort(self._problem.margin(images), kind="stable")[:NEAR]])

    def _bounded(self, eps: Array, accounts: list[Account]) -> tuple[Verdict, Analysis | None]:
        began = time.monotonic()
        proved = self._memory.proof_around(eps)
        if proved is not None:
            accounts.append(_account(Stage.RECALL, began, "inside a neighborhood that is proved"))
            return Verdict(Outcome.ROBUST, Stage.RECALL, proved), None
        box = self._problem.neighborhood(eps).box
        analysis = self._stages.bounder.interval(box)
        accounts.append(_account(Stage.INTERVAL, began, _finding(analysis)))
        if analysis.robust:
            return Verdict(Outcome.ROBUST, Stage.INTERVAL, analysis.margin), None
        if not self._stages.linear:
            return _undecided(Stage.INTERVAL, analysis), analysis
        began = time.monotonic()
        analysis = self._stages.bounder.crown(box)
        accounts.append(_account(Stage.CROWN, began, _finding(analysis)))
        if analysis.robust:
            return Verdict(Outcome.ROBUST, Stage.CROWN, analysis.margin), None
        return _undecided(Stage.CROWN, analysis), analysis

    def _attacked(self, eps: Array) -> WeakestPoints:
        """Attack with full effort; a search that attacks before it asks for a proof pays once."""
        if self._last_attack is None or not np.array_equal(self._last_attack[0], eps):
            self._last_attack = (eps.copy(), self._stages.attack.find(eps, self._memory.witnesses))
        return self._last_attack[1]

    def _violated(self, witness: Array, stage: Stage) -> Verdict:
        margin = float(self._problem.margin(witness[None])[0])
        return Verdict(Outcome.VIOLATED, stage, margin, witness)

    def _noted(self, eps: Array, verdict: Verdict, began: float) -> Verdict:
        """Remember the verdict, and complete it by its duration and the witness's extents."""
        extents = None
        if verdict.robust:
            self._memory.note_proof(np.asarray(eps), verdict)
        elif verdict.witness is not None:
            extents = self._memory.note_witness(verdict.witness)
        return replace(verdict, extents=extents, seconds=time.monotonic() - began)


def _account(stage: Stage, began: float, finding: str) -> Account:
    return Account(stage, time.monotonic() - began, finding)


def _finding(analysis: Analysis) -> str:
    left = f"{analysis.open_subsets} subset(s) of rivals open"
    return f"{'proved' if analysis.robust else left}, margin >= {analysis.margin:.3g}"


def _undecided(stage: Stage, analysis: Analysis) -> Verdict:
    return Verdict(
        Outcome.UNKNOWN,
        stage,
        analysis.margin,
        reason=f"bounds leave {analysis.open_subsets} subset(s) of rivals open",
    )
