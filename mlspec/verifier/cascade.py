"""The verifier: stages from cheap to complete, each only for what the last left open.

interval -> CROWN -> attack -> alpha-CROWN -> MILP. A stage may answer only with evidence: a sound
bound or a solver's proof for ROBUST, a witness replayed in float64 for VIOLATED.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlspec.attack.pgd import PgdAttack
from mlspec.attack.reduction import WitnessReduction
from mlspec.bounds.analysis import Analysis
from mlspec.bounds.bounder import Bounder
from mlspec.bounds.crown import CrownBounder
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import Path
from mlspec.core.trace import Cut, Refutation, Tally
from mlspec.core.verdict import CertifiedMargin, Outcome, Proof, Stage, Verdict, WeakestPoints
from mlspec.errors import SolverError
from mlspec.verifier.complete import CompleteStage
from mlspec.verifier.hull_refutation import HullRefutation
from mlspec.verifier.level import Level, LevelFinder
from mlspec.verifier.local_search import LocalSearch
from mlspec.verifier.memory import Memory
from mlspec.verifier.proof import NeighborhoodProof
from mlspec.verifier.question import Question


@dataclass(frozen=True)
class Stages:
    """The parts of the cascade; ``complete`` is None where bounds have the last word."""

    attack: PgdAttack
    scout: PgdAttack
    """A cheaper attack, for weakest points on the way."""
    local_search: LocalSearch
    """Finds the nearest violation on a path."""
    hull_refutation: HullRefutation
    """Shows that no neighborhood between some is robust."""
    bounders: tuple[Bounder, ...]
    """From cheap to dear."""
    crown: CrownBounder
    """Certifies margins with their gradients."""
    complete: CompleteStage | None
    reduction: WitnessReduction = WitnessReduction()
    """Moves witnesses towards the centre."""
    recent: int = 64
    """The last known witnesses, so many of them, may be among the weak images below."""
    near: int = 4
    """Weak images whose linear regions the complete stage searches first."""


class Cascade:
    """Answers for neighborhoods of one problem, and remembers what it learned."""

    def __init__(self, problem: Problem, stages: Stages) -> None:
        self._problem = problem
        self._stages = stages
        self._memory = Memory(problem)
        self._last_attack: tuple[Array, WeakestPoints] | None = None
        self.tallies: dict[Stage, Tally] = {}
        """What each stage did so far."""
        self._bounders = {bounder.stage: bounder for bounder in stages.bounders}
        plain = tuple(each.stage for each in stages.bounders if not each.optimises)
        optimised = tuple(each.stage for each in stages.bounders if each.optimises)
        self._plain_bounds = plain
        self._order = (*plain, Stage.ATTACK, *optimised)

    def verify(self, eps: Array, deadline: Deadline = NEVER) -> Verdict:
        """Decide whether the neighborhood of radius ``eps`` is robust."""
        began = time.monotonic()
        question = Question(eps, self._problem.neighborhood(eps).box, deadline)
        return self._noted(question, self._decide(question), began)

    def bound(self, eps: Array, deadline: Deadline = NEVER) -> Verdict:
        """Certify by bounds alone, without optimising them: ROBUST or UNKNOWN."""
        began = time.monotonic()
        question = Question(eps, self._problem.neighborhood(eps).box, deadline)
        verdict = self._asked(question, self._plain_bounds)
        return self._noted(question, verdict or question.undecided(), began)

    def certified(self, eps: Array, deadline: Deadline = NEVER) -> CertifiedMargin:
        """Return the margin that CROWN certifies, with its gradient through the bounds."""
        began = time.monotonic()
        neighborhood = self._problem.neighborhood(eps)
        margin, by_lower, by_upper = self._stages.crown.slopes(neighborhood.box, deadline)
        found = CertifiedMargin(
            np.array([margin]), neighborhood.derivatives(by_lower, by_upper)[None]
        )
        question = Question(eps, neighborhood.box, deadline)
        question.note(Stage.CROWN, began, f"certified margin {margin:.3g}")
        verdict = (
            Verdict(Outcome.UNKNOWN, Stage.CROWN, margin, reason="no margin is certified")
            if found.lost
            else Verdict(Outcome.ROBUST, Stage.CROWN, margin, proof=Proof.BOUNDS)
        )
        self._noted(question, verdict, began)
        return found

    def weakest(
        self, eps: Array, deadline: Deadline = NEVER, *, thorough: bool = False
    ) -> WeakestPoints:
        """Return the weakest points an attack finds; ``thorough`` spends as much on it as
        ``verify``."""
        known = self._memory.witnesses
        if thorough:
            points = self._attacked(eps, deadline)
        else:
            points = self._stages.scout.find(eps, known, deadline)
        if points.violates:
            self._memory.note_witness(points.images[0])
        return points

    def level(self, eps: Array, deadline: Deadline = NEVER) -> Level:
        """Return the least margin over the neighborhood, and its weakest images, as exactly as
        ``deadline`` allows."""
        began = time.monotonic()
        complete = self._stages.complete
        if complete is None:
            raise ValueError("levels need a complete stage")
        box = self._problem.neighborhood(eps).box
        points = self._attacked(eps, deadline)
        if points.violates:
            self._memory.note_witness(points.images[0])
        analysis = self._bounded(box, deadline)
        finder = LevelFinder(
            self._problem, complete.compiler, complete.backend, complete.prover, complete.minimum
        )
        level = finder.find(box, analysis, points.images, deadline)
        return replace(level, seconds=time.monotonic() - began)

    def minimisers(self, eps: Array, deadline: Deadline = NEVER) -> WeakestPoints:
        """Return the weakest images of ``level``, with the slopes of their margins."""
        level = self.level(eps, deadline)
        change = level.images - self._problem.image
        extents = np.stack([self._problem.layering.extents(each) for each in change])
        slopes = self._stages.attack.slopes(level.images, np.asarray(eps))
        return WeakestPoints(level.images, level.margins, extents, slopes)

    def proof(self, ceiling: Array, deadline: Deadline = NEVER) -> NeighborhoodProof | None:
        """Open a proof for the radii up to ``ceiling`` ``(R,)``, of which nothing is proved yet but
        what bounds say; None where there is no model."""
        complete = self._stages.complete
        if complete is None:
            return None
        analysis = self._bounded(self._problem.neighborhood(ceiling).box, deadline)
        try:
            return complete.proofs.open(ceiling, analysis, self._noted_extension, self._weak)
        except SolverError:
            return None

    def _noted_extension(self, eps: Array, verdict: Verdict, began: float) -> Verdict:
        question = Question(eps, self._problem.neighborhood(eps).box)
        question.note(Stage.MILP, began, "a proof of other neighborhoods")
        return self._noted(question, verdict, began)

    def _bounded(self, box: Box, deadline: Deadline) -> Analysis:
        """Return the tightest bounds over ``box``."""
        analysis: Analysis | None = None
        for bounder in self._stages.bounders:
            analysis = bounder.analyse(box, analysis, deadline)
        assert analysis is not None
        return analysis

    def reduced(self, witness: Array, path: Path) -> Cut:
        """Return the cut of ``witness``, moved into the smallest neighborhood on ``path`` in which
        it still violates."""
        smaller = self._stages.reduction.reduce(self._problem, witness, path)
        return Cut(self._memory.note_witness(smaller), smaller)

    def refute(self, radii: Array, deadline: Deadline = NEVER) -> Refutation:
        """Look for a proof that no convex combination of ``radii`` ``(V, R)`` is robust."""
        return self._stages.hull_refutation.refute(radii, self._memory, deadline)

    def nearest(self, path: Path, deadline: Deadline) -> tuple[float, Cut] | None:
        """Return the least share of ``path`` at which an attack, or a witness that is remembered,
        violates, and its cut; None if there is none."""
        found = self._stages.local_search.find(path, self._memory.witnesses, deadline)
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

    def _decide(self, question: Question) -> Verdict:
        began = time.monotonic()
        witness = self._memory.witness_inside(question.eps)
        if witness is not None:
            question.note(Stage.RECALL, began, "a known witness lies inside")
            return self._violated(witness, Stage.RECALL)
        known = self._known_attack(question.eps) is not None
        # A stored attack costs nothing: use it first.
        verdict = self._tried(question, Stage.ATTACK) if known else None
        stages = tuple(stage for stage in self._order if stage is not Stage.ATTACK or not known)
        verdict = verdict or self._asked(question, stages)
        if verdict is not None:
            return verdict
        complete = self._stages.complete
        if complete is None:
            return question.undecided()
        assert question.analysis is not None
        assert question.points is not None
        near = self._weak(question.box, question.points)
        return complete.decide(
            question.box, question.analysis, near, question.deadline, question.accounts
        )

    def _asked(self, question: Question, stages: Sequence[Stage]) -> Verdict | None:
        """Ask ``stages`` one after the other until one decides."""
        began = time.monotonic()
        proved = self._memory.proof_around(question.eps)
        if proved is not None:
            question.note(Stage.RECALL, began, "inside a neighborhood that is proved")
            margin, proof = proved
            return Verdict(Outcome.ROBUST, Stage.RECALL, margin, proof=proof)
        for stage in stages:
            verdict = self._tried(question, stage)
            if verdict is not None:
                return verdict
        return None

    def _tried(self, question: Question, stage: Stage) -> Verdict | None:
        """Ask one stage, and return its verdict if it decides."""
        began = time.monotonic()
        if stage is Stage.ATTACK:
            question.points = points = self._attacked(question.eps, question.deadline)
            found = "a violating image" if points.violates else "no violating image"
            question.note(stage, began, f"{found}, least margin {points.margins[0]:.3g}")
            return self._violated(points.images[0], stage) if points.violates else None
        bounder = self._bounders[stage]
        analysis = bounder.analyse(question.box, question.analysis, question.deadline)
        return question.learn(stage, began, analysis)

    def _weak(self, box: Box, points: WeakestPoints | None = None) -> list[Array]:
        """Return the weakest known images of ``box``, attack's points and earlier witnesses."""
        known = self._memory.witnesses[-self._stages.recent :]
        found = () if points is None else points.images
        images = np.stack(
            [*found, *(box.clip(image) for image in known), (box.lower + box.upper) / 2]
        )
        return list(
            images[np.argsort(self._problem.margin(images), kind="stable")[: self._stages.near]]
        )

    def _attacked(self, eps: Array, deadline: Deadline) -> WeakestPoints:
        """Attack with full effort; a search that attacks before it asks for a proof pays once."""
        known = self._known_attack(eps)
        if known is None:
            known = self._stages.attack.find(eps, self._memory.witnesses, deadline)
            if not deadline.passed:
                self._last_attack = (eps.copy(), known)
        return known

    def _known_attack(self, eps: Array) -> WeakestPoints | None:
        if self._last_attack is None or not np.array_equal(self._last_attack[0], eps):
            return None
        return self._last_attack[1]

    def _violated(self, witness: Array, stage: Stage) -> Verdict:
        margin = float(self._problem.margin(witness[None])[0])
        return Verdict(Outcome.VIOLATED, stage, margin, witness, proof=Proof.REPLAY)

    def _noted(self, question: Question, verdict: Verdict, began: float) -> Verdict:
        """Remember the verdict, and complete it by its duration, the accounts and the witness's
        extents."""
        for account in question.accounts:
            self.tallies.setdefault(account.stage, Tally()).seconds += account.seconds
        for stage in {account.stage for account in question.accounts}:
            self.tallies[stage].asked += 1
        if verdict.outcome is not Outcome.UNKNOWN:
            self.tallies.setdefault(verdict.stage, Tally()).decided += 1
        extents = None
        if verdict.robust:
            self._memory.note_proof(np.asarray(question.eps), verdict)
        elif verdict.witness is not None:
            extents = self._memory.note_witness(verdict.witness)
        accounts, seconds = tuple(question.accounts), time.monotonic() - began
        return replace(verdict, extents=extents, seconds=seconds, accounts=accounts)
