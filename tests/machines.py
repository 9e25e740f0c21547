"""Whole verifiers for tests, put together from the real parts."""

from __future__ import annotations

from mlspec.attack.pgd import PgdAttack
from mlspec.backends.highs import HighsBackend
from mlspec.bounds.analysis import Analysis, Bounder
from mlspec.core.neighborhood import Box
from mlspec.core.problem import Problem
from mlspec.milp.compile import Compiler
from mlspec.spec.profile import find_profile
from mlspec.spec.search import SolverChoice
from mlspec.verifier.cascade import Cascade, Stages
from mlspec.verifier.complete import CompleteStage

BOUNDS = ("interval", "crown", "alpha")
ITERATIONS = 8
SECONDS = 60.0


def highs() -> HighsBackend:
    """Return HiGHS as its shipped profile sets it."""
    return HighsBackend("highs", find_profile(SolverChoice()).native_options())


def analyse(problem: Problem, box: Box, bounds: str) -> Analysis:
    """Return what ``bounds`` say of ``box``."""
    bounder = Bounder(problem.relaxed, problem.property, ITERATIONS)
    match bounds:
        case "interval":
            return bounder.interval(box)
        case "crown":
            return bounder.crown(box)
        case _:
            return bounder.alpha(bounder.crown(box))


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
    attack = PgdAttack(problem, restarts=restarts, steps=steps, seed=0)
    compiler = Compiler(problem.relaxed, decision=decision)
    return Stages(
        attack=attack,
        scout=attack,
        bounder=Bounder(problem.relaxed, problem.property, ITERATIONS),
        linear=bounds != "interval",
        alpha=bounds == "alpha",
        complete=CompleteStage(problem, compiler, highs(), seconds) if complete else None,
    )
