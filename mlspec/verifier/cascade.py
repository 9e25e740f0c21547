"""The verifier: stages from cheap to complete; each is asked what those before it left open.

interval -> CROWN -> attack -> alpha-CROWN -> MILP. A stage may answer only with evidence: bounds or
dual bounds in float64 for ROBUST, a witness replayed in float64 for VIOLATED.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlspec.bounds.analysis import Analysis
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import EpsPath
from mlspec.core.trace import Cut, Refutation, Tally
from mlspec.core.verdict import CertifiedMargin, Outcome, Proof, Stage, Verdict, WeakestPoints
from mlspec.verifier.level import Level
from mlspec.verifier.memory import Memory
from mlspec.verifier.memory_limit import TOO_LITTLE, MemoryLimit
from mlspec.verifier.query import NeighborhoodQuery
from mlspec.verifier.stages import AttackStage, BoundsStage, Decider, Stages, violated
from mlspec.verifier.subset_query import unknown


class Cascade:
    """Answers for neighborhoods of one problem, and remembers what it learned."""

    def __init__(self, problem: Problem, stages: Stages) -> None:
        self._problem = problem
        self._stages = stages
        self._memory = Memory(problem)
        self._limit = MemoryLimit()
        self.tallies: dict[Stage, Tally] = {}
        """What each stage did so far."""
        bounds = stages.bounders
        self._plain_bounds = tuple(BoundsStage(each) for each in bounds if not each.optimises)
        self._attack = AttackStage(problem, stages.attack, self._memory)
        optimised = (BoundsStage(each) for each in bounds if each.optimises)
        self._deciders: tuple[Decider, ...] = (
            *self._plain_bounds,
            self._attack,
            *optimised,
            *stages.further,
        )

    def verify(self, eps: Array, deadline: Deadline = NEVER) -> Verdict:
        """Decide whether the neighborhood of ``eps`` is robust."""
        began = time.monotonic()
        query = NeighborhoodQuery(eps, self._problem.neighborhood(eps).box, deadline)
        return self._noted(query, self._decide(query), began)

    def bound(self, eps: Array, deadline: Deadline = NEVER) -> Verdict:
        """Certify by bounds alone, without optimising them: ROBUST or UNKNOWN."""
        began = time.monotonic()
        query = NeighborhoodQuery(eps, self._problem.neighborhood(eps).box, deadline)
        verdict = self._asked(query, self._plain_bounds)
        return self._noted(query, verdict or query.undecided(), began)

    def certified(self, eps: Array, deadline: Deadline = NEVER) -> CertifiedMargin:
        """Return the margin that CROWN certifies, with its gradient through the bounds."""
        began = time.monotonic()
        neighborhood = self._problem.neighborhood(eps)
        margin, derivatives = -np.inf, np.zeros(len(np.asarray(eps)))
        with self._limit.around(Stage.CROWN):
            margin, by_lower, by_upper = self._stages.crown.slopes(neighborhood.box, deadline)
            derivatives = neighborhood.derivatives(by_lower, by_upper)
        found = CertifiedMargin(np.array([margin]), derivatives[None])
        query = NeighborhoodQuery(eps, neighborhood.box, deadline)
        query.note(Stage.CROWN, began, f"certified margin {margin:.3g}")
        verdict = (
            Verdict(Outcome.UNKNOWN, Stage.CROWN, margin, reason="no margin is certified")
            if found.lost
            else Verdict(Outcome.ROBUST, Stage.CROWN, margin, proof=Proof.BOUNDS)
        )
        self._noted(query, verdict, began)
        return found

    def weakest(
        self, eps: Array, deadline: Deadline = NEVER, *, thorough: bool = False
    ) -> WeakestPoints:
        """Return the weakest points that an attack finds: the attack of ``verify`` if ``thorough``,
        else a cheaper one."""
        points = self._centre()
        with self._limit.around(Stage.ATTACK):
            if thorough:
                points = self._attack.points(eps, deadline)
            else:
                points = self._stages.scout.find(eps, self._memory.witnesses, deadline)
        if points.violates:
            self._memory.note_witness(points.images[0])
        return points

    def level(self, eps: Array, deadline: Deadline = NEVER) -> Level:
        """Return the least margin over the neighborhood, and its weakest images, as exactly as
        ``deadline`` allows."""
        began = time.monotonic()
        finder = self._stages.levels
        if finder is None:
            raise ValueError("levels need a solver")
        box = self._problem.neighborhood(eps).box
        points = self.weakest(eps, deadline, thorough=True)
        analysis: Analysis | None = None
        for bounder in self._stages.bounders:
            with self._limit.around(bounder.stage):
                analysis = bounder.analyse(box, analysis, deadline)
        if analysis is None:
            return Level(-np.inf, points.images, points.margins, seconds=time.monotonic() - began)
        level = finder.find(box, analysis, points.images, deadline)
        return replace(level, seconds=time.monotonic() - began)

    def minimisers(self, eps: Array, deadline: Deadline = NEVER) -> WeakestPoints:
        """Return the weakest images of ``level``, with the slopes of their margins."""
        level = self.level(eps, deadline)
        change = level.images - self._problem.image
        extents = np.stack([self._problem.layering.extents(each) for each in change])
        slopes = self._stages.attack.slopes(level.images, np.asarray(eps))
        return WeakestPoints(level.images, level.margins, extents, slopes)

    def reduced(self, witness: Array, path: EpsPath) -> Cut:
        """Return the cut of ``witness``, moved into the smallest neighborhood on ``path`` in which
        it still violates."""
        smaller = self._stages.reduction.reduce(self._problem, witness, path)
        return Cut(self._memory.note_witness(smaller), smaller)

    def refute(self, vertices: Array, deadline: Deadline = NEVER) -> Refutation:
        """Look for a proof that no convex combination of ``vertices`` ``(V, R)`` is robust."""
        with self._limit.around(Stage.ATTACK):
            return self._stages.hull_refutation.refute(vertices, self._memory, deadline)
        return Refutation(throughout=False, unbroken=0, cuts=())

    def nearest(self, path: EpsPath, deadline: Deadline) -> tuple[float, Cut] | None:
        """Return the least share of ``path`` at which an attack, or a witness that is remembered,
        violates, and its cut; None if there is none."""
        found = None
        with self._limit.around(Stage.ATTACK):
            found = self._stages.local_search.find(path, self._memory.witnesses, deadline)
        if found is None:
            return None
        return found.share, Cut(self._memory.note_witness(found.image), found.image)

    def learn(self, images: Array) -> list[Cut]:
        """Remember the violating ones among ``images`` ``(N, C, H, W)`` and return them as cuts.

        Images that no neighborhood contains (a fixed pixel moved, a value beyond [0, 1]) are left
        out.
        """
        largest = self._problem.neighborhood(np.ones(self._problem.layering.count)).box
        return [
            Cut(self._memory.note_witness(image), image)
            for image in images
            if largest.contains(image) and self._problem.margin(image[None])[0] <= 0.0
        ]

    def _decide(self, query: NeighborhoodQuery) -> Verdict:
        began = time.monotonic()
        witness = self._memory.witness_inside(query.eps)
        if witness is not None:
            query.note(Stage.RECALL, began, "a known witness lies inside")
            return violated(self._problem, witness, Stage.RECALL)
        deciders = self._deciders
        if self._attack.knows(query.eps):
            # A stored attack costs nothing: use it first.
            deciders = tuple(sorted(deciders, key=lambda each: each is not self._attack))
        verdict = self._asked(query, deciders)
        if verdict is not None:
            return verdict
        complete = self._stages.complete
        if complete is None or query.analysis is None:
            return query.undecided()
        began = time.monotonic()
        with self._limit.around(Stage.MILP):
            near = self._weak(query.box, query.points)
            return complete.decide(query.box, query.analysis, near, query.deadline, query.accounts)
        query.note(Stage.MILP, began, TOO_LITTLE)
        return unknown(f"the complete stage does not answer: {TOO_LITTLE}")

    def _asked(self, query: NeighborhoodQuery, deciders: Sequence[Decider]) -> Verdict | None:
        """Ask ``deciders`` one after the other until one has a verdict."""
        began = time.monotonic()
        proved = self._memory.proof_around(query.eps)
        if proved is not None:
            query.note(Stage.RECALL, began, "inside a neighborhood that is proved")
            margin, proof = proved
            return Verdict(Outcome.ROBUST, Stage.RECALL, margin, proof=proof)
        for decider in deciders:
            verdict = self._tried(query, decider)
            if verdict is not None:
                return verdict
        return None

    def _tried(self, query: NeighborhoodQuery, decider: Decider) -> Verdict | None:
        """Ask one stage, and return its verdict if it decides."""
        began = time.monotonic()
        with self._limit.around(decider.stage):
            return decider.decide(query)
        query.note(decider.stage, began, TOO_LITTLE)
        return None

    def _centre(self) -> WeakestPoints:
        """Return what is known without an attack: the image itself."""
        images = self._problem.image[None]
        none = np.zeros((1, self._problem.layering.count))
        return WeakestPoints(images, self._problem.margin(images), none, none)

    def _weak(self, box: Box, points: WeakestPoints | None) -> list[Array]:
        """Return the weakest known images of ``box``, attack's points and earlier witnesses."""
        known = self._memory.witnesses[-self._stages.recent :]
        points = self._centre() if points is None else points
        images = np.stack([*points.images, *(box.clip(image) for image in known)])
        return list(
            images[np.argsort(self._problem.margin(images), kind="stable")[: self._stages.near]]
        )

    def _noted(self, query: NeighborhoodQuery, verdict: Verdict, began: float) -> Verdict:
        """Remember the verdict, and complete it by its duration, the accounts and the witness's
        extents."""
        for account in query.accounts:
            self.tallies.setdefault(account.stage, Tally()).seconds += account.seconds
        for stage in {account.stage for account in query.accounts}:
            self.tallies[stage].asked += 1
        if verdict.outcome is not Outcome.UNKNOWN:
            self.tallies.setdefault(verdict.stage, Tally()).decided += 1
        extents = None
        if verdict.robust:
            self._memory.note_proof(np.asarray(query.eps), verdict)
        elif verdict.witness is not None:
            extents = self._memory.note_witness(verdict.witness)
        accounts, seconds = tuple(query.accounts), time.monotonic() - began
        return replace(verdict, extents=extents, seconds=seconds, accounts=accounts)
