"""Whole verifiers for tests, put together from the real parts."""

from __future__ import annotations

from typing import Any

from attacks import fmn, pgd

from mlspec.attack.context import AttackContext
from mlspec.attack.patterns import WitnessPatterns
from mlspec.backends.backend import ProgramBackend
from mlspec.bounds.alpha import AlphaCrown
from mlspec.bounds.analysis import Analysis
from mlspec.bounds.bounder import Bounder
from mlspec.bounds.context import BoundsContext
from mlspec.bounds.crown import Crown
from mlspec.bounds.interval import Interval
from mlspec.bounds.registry import bounders
from mlspec.core.neighborhood import Box
from mlspec.core.problem import Problem
from mlspec.milp.compile import Compiler
from mlspec.solvers import ChosenBackend, backend_of, prover_for
from mlspec.spec.profile import find_profile
from mlspec.spec.search import SolverChoice
from mlspec.verifier.cascade import Cascade
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.complete import CompleteStage
from mlspec.verifier.hull_refutation import HullRefutation
from mlspec.verifier.level import LevelFinder
from mlspec.verifier.local_search import LocalSearch
from mlspec.verifier.stages import Stages

BOUNDS = ("interval", "crown", "alpha")
ITERATIONS = 8
SECONDS = 60.0


def solver(name: str, **changes: Any) -> ProgramBackend:
    """Return a solver as its shipped profile sets it, with ``changes`` of the spec."""
    return backend_of(find_profile(SolverChoice(profile=name, **changes)))


def highs() -> ProgramBackend:
    """Return HiGHS as its shipped profile sets it."""
    return solver("highs")


def complete_stage(
    problem: Problem, compiler: Compiler, backend: ChosenBackend, seconds: float = SECONDS
) -> CompleteStage:
    """Return the complete stage that asks ``backend``."""
    return CompleteStage(problem, ClaimModels(compiler, backend, prover_for(backend)), seconds)


def analyse(problem: Problem, box: Box, bounds: str) -> Analysis:
    """Return what ``bounds`` say of ``box``."""
    return bounder(problem, bounds).analyse(box)


def bounder(problem: Problem, bounds: str) -> Bounder:
    """Return the bounder of this name, with few iterations."""
    return machine_bounders(problem, bounds)[-1]


def machine_bounders(problem: Problem, bounds: str) -> tuple[Bounder, ...]:
    """Return it after those that are cheaper."""
    methods = Interval(), Crown(), AlphaCrown(iterations=ITERATIONS)
    return bounders(bounds, context_of(problem), methods)


def context_of(problem: Problem) -> BoundsContext:
    """Return what bounds of a problem share."""
    return BoundsContext(problem.relaxed, problem.property)


def cascade(
    problem: Problem,
    bounds: str = "alpha",
    *,
    decision: bool = True,
    complete: bool = True,
    restarts: int = 8,
    steps: int = 15,
    seconds: float = SECONDS,
) -> Cascade:
    """Return the verifier of ``problem``."""
    parts = stages(
        problem,
        bounds,
        decision=decision,
        complete=complete,
        restarts=restarts,
        steps=steps,
        seconds=seconds,
    )
    return Cascade(problem, parts)


def stages(
    problem: Problem,
    bounds: str = "alpha",
    *,
    decision: bool = True,
    complete: bool = True,
    restarts: int = 8,
    steps: int = 15,
    seconds: float = SECONDS,
) -> Stages:
    """Return the parts of a verifier of ``problem``."""
    attack = pgd(problem, restarts=restarts, steps=steps)
    crown = Crown().on(context_of(problem))
    compiler = Compiler(problem.relaxed, decision=decision)
    last = complete_stage(problem, compiler, highs(), seconds) if complete else None
    patterns = WitnessPatterns(AttackContext(problem))
    return Stages(
        attack=attack,
        scout=attack,
        local_search=LocalSearch(problem, fmn(problem, restarts), crown, last),
        hull_refutation=HullRefutation(problem, attack, crown, patterns),
        bounders=machine_bounders(problem, bounds),
        crown=crown,
        complete=last,
        levels=None if last is None else LevelFinder(problem, last.models),
    )
