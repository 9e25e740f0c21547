"""The stages before the complete one, each as what it decides of a query."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlspec.attack.pgd import PgdAttack
from mlspec.attack.reduction import WitnessReduction
from mlspec.bounds.bounder import Bounder
from mlspec.bounds.crown import CrownBounder
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, Proof, Stage, Verdict, WeakestPoints
from mlspec.verifier.complete import CompleteStage
from mlspec.verifier.hull_refutation import HullRefutation
from mlspec.verifier.level import LevelFinder
from mlspec.verifier.local_search import LocalSearch
from mlspec.verifier.memory import Memory
from mlspec.verifier.query import NeighborhoodQuery


class Decider(Protocol):
    """A stage of the cascade."""

    @property
    def stage(self) -> Stage:
        """What verdicts call it."""
        ...

    def decide(self, query: NeighborhoodQuery) -> Verdict | None:
        """Return the verdict, with its evidence, if this stage has one; note what was found."""
        ...


@dataclass(frozen=True)
class Stages:
    """The parts of the cascade; ``complete`` and ``levels`` are None where no solver is asked."""

    attack: PgdAttack
    scout: PgdAttack
    """A cheaper attack, for weakest points on the way."""
    local_search: LocalSearch
    """Finds the nearest violation on a path."""
    hull_refutation: HullRefutation
    """Shows that no neighborhood between some is robust."""
    bounders: tuple[Bounder, ...]
    """From cheap to dear: those that optimise are asked after the attack."""
    crown: CrownBounder
    """Certifies margins with their gradients."""
    complete: CompleteStage | None
    levels: LevelFinder | None
    """Finds the robustness level of a neighborhood."""
    further: tuple[Decider, ...] = ()
    """Stages of other kinds, asked before the complete one."""
    reduction: WitnessReduction = WitnessReduction()
    """Moves witnesses towards the centre."""
    recent: int = 64
    """The last known witnesses, so many of them, may be among the weak images below."""
    near: int = 4
    """Weak images whose linear regions the complete stage searches first."""


@dataclass(frozen=True, eq=False)
class BoundsStage:
    """Proves robustness by one kind of bounds, from what cheaper ones say."""

    bounder: Bounder

    @property
    def stage(self) -> Stage:
        """That of the bounds."""
        return self.bounder.stage

    def decide(self, query: NeighborhoodQuery) -> Verdict | None:
        """Return ROBUST if the bounds leave nothing open."""
        began = time.monotonic()
        analysis = self.bounder.analyse(query.box, query.analysis, query.deadline)
        return query.learn(self.stage, began, analysis)


class AttackStage:
    """Finds violating images by gradient steps, and remembers the last attack: a search that
    attacks before it asks for a proof pays once."""

    stage = Stage.ATTACK

    def __init__(self, problem: Problem, attack: PgdAttack, memory: Memory) -> None:
        self._problem = problem
        self._attack = attack
        self._memory = memory
        self._last: tuple[Array, WeakestPoints] | None = None

    def knows(self, eps: Array) -> bool:
        """Whether the last attack was on ``eps``: to ask for it again costs nothing."""
        return self._last is not None and np.array_equal(self._last[0], eps)

    def points(self, eps: Array, deadline: Deadline) -> WeakestPoints:
        """Return the weakest points of a full attack on the neighborhood of ``eps``."""
        if self._last is not None and self.knows(eps):
            return self._last[1]
        found = self._attack.find(eps, self._memory.witnesses, deadline)
        if not deadline.passed:
            self._last = (eps.copy(), found)
        return found

    def decide(self, query: NeighborhoodQuery) -> Verdict | None:
        """Return VIOLATED if the attack finds a violating image."""
        began = time.monotonic()
        query.points = points = self.points(query.eps, query.deadline)
        found = "a violating image" if points.violates else "no violating image"
        query.note(self.stage, began, f"{found}, least margin {points.margins[0]:.3g}")
        return violated(self._problem, points.images[0], self.stage) if points.violates else None


def violated(problem: Problem, witness: Array, stage: Stage) -> Verdict:
    """Return VIOLATED, with the margin of the witness in float64."""
    margin = float(problem.margin(witness[None])[0])
    return Verdict(Outcome.VIOLATED, stage, margin, witness, proof=Proof.REPLAY)
