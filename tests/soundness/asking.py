"""Put cases to solvers with the attack switched off, and say what is wrong with an answer.

An attack would find many of the planted images, and then no solver is asked. Here the attack knows
the unchanged image only, so whatever is found or proved comes from bounds and the complete stage.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
from machines import complete_stage, stages

from mlspec.bounds.analysis import Analysis
from mlspec.bounds.bounder import Bounder
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, WeakestPoints
from mlspec.errors import LicenceError, MissingSolverError, MlspecError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel
from mlspec.solvers import ChosenBackend, chosen
from mlspec.spec.profile import profiles
from mlspec.spec.search import SolverChoice
from mlspec.verifier.cascade import Cascade
from mlspec.verifier.level import LevelFinder
from soundness.cases import REPLAY_ERROR, Case

SECONDS = 5.0
"""Time for one question: hundred times what most take."""
TOGETHER = {"highs + scip": ("highs", "scip"), "auto": ("auto",)}
"""What is asked beside each solver alone."""
BOUNDS = ("interval", "alpha")
BATCH_ERROR = 1e-7
"""By no more do margins differ between images replayed alone and together: weights of 1e3 in a row
make values of 1e7."""


class Mode(StrEnum):
    """What is asked."""

    DECISION = "decision"
    """``verify`` with the objective ``decision``."""
    MARGIN = "margin"
    """``verify`` with the objective ``margin``."""
    LEVEL = "level"
    """The least margin."""


@dataclass(frozen=True)
class Answer:
    """What one solver said of one case."""

    solver: str
    mode: Mode
    bounds: str
    said: str
    """An outcome; of a level ``exact`` or ``open``; the name of an error."""
    stage: str = ""
    reason: str = ""
    """Of an unknown outcome or an error, without numbers."""
    seconds: float = 0.0
    wrong: str = ""
    """What is wrong with it; empty where nothing is."""


@dataclass(frozen=True, eq=False)
class NoAttack:
    """Knows the unchanged image only."""

    problem: Problem

    def find(self, *_: object, **__: object) -> WeakestPoints:
        """Return the unchanged image."""
        image, count = self.problem.image[None], self.problem.layering.count
        none = np.zeros((1, count))
        return WeakestPoints(image, self.problem.margin(image), none, none)


@dataclass(frozen=True, eq=False)
class SharedCompiler(Compiler):
    """Compiles each model once: all solvers get the same."""

    models: dict[object, MilpModel] = field(default_factory=dict)

    def compile(self, box: Any, bounds: Any, claim: Any, rows: Sequence[int]) -> MilpModel:
        """Return the model, from memory if there is one."""
        ends = (box.lower, box.upper, *bounds.lower, *bounds.upper)
        key = (self.decision, claim.target, tuple(rows), *(end.tobytes() for end in ends))
        if key not in self.models:
            self.models[key] = super().compile(box, bounds, claim, rows)
        return self.models[key]


class SharedBounder:
    """Bounds each box once: all solvers get the same bounds."""

    def __init__(self, bounder: Bounder) -> None:
        self.stage, self.optimises = bounder.stage, bounder.optimises
        self._bounder = bounder
        self._known: dict[object, Analysis] = {}
        self._earlier: list[Analysis | None] = []

    def analyse(self, box: Box, earlier: Analysis | None = None, deadline: Any = NEVER) -> Analysis:
        """Return bounds, from memory if they are there."""
        key = (*_key(box), id(earlier))
        if key not in self._known:
            self._earlier.append(earlier)  # as long as it lives, no other has its id
            self._known[key] = self._bounder.analyse(box, earlier, deadline)
        return self._known[key]


def _key(box: Box) -> tuple[bytes, bytes]:
    return box.lower.tobytes(), box.upper.tobytes()


@cache
def solvers() -> tuple[str, ...]:
    """Return everything that is asked: the solvers that are here, and some together."""
    here = []
    for name, profile in profiles().items():
        if profile.interface.startswith("the command"):
            continue
        try:
            chosen(SolverChoice(profile=name))
        except (MissingSolverError, LicenceError):
            continue
        here.append(name)
    return (*here, *(name for name, all_ in TOGETHER.items() if {*all_} <= {*here, "auto"}))


@cache
def _backend(name: str) -> ChosenBackend:
    choices = [SolverChoice(profile=each) for each in TOGETHER.get(name, (name,))]
    return chosen(choices[0] if len(choices) == 1 else choices)


def answers(
    case: Case, names: Sequence[str], modes: Sequence[Mode], kinds: Sequence[str] = BOUNDS
) -> Iterator[Answer]:
    """Ask the solvers ``names`` about ``case``, with every mode and every kind of bounds."""
    problem, nothing = case.problem, NoAttack(case.problem)
    compiler = SharedCompiler(problem.relaxed)
    for bounds in kinds:
        parts = stages(problem, bounds)
        shared = replace(
            parts,
            attack=nothing,  # type: ignore[arg-type]
            scout=nothing,  # type: ignore[arg-type]
            bounders=tuple(SharedBounder(each) for each in parts.bounders),
        )
        for mode in modes:
            for name in names:
                complete = complete_stage(
                    problem, replace(compiler, decision=mode is Mode.DECISION), _backend(name)
                )
                levels = LevelFinder(problem, complete.models)
                asked = replace(shared, complete=complete, levels=levels)
                verifier = Cascade(problem, asked)
                yield _answer(case, verifier, Answer(name, mode, bounds, ""))


def _answer(case: Case, verifier: Cascade, asked: Answer) -> Answer:
    began = time.monotonic()
    try:
        if asked.mode is Mode.LEVEL:
            level = verifier.level(case.eps, Deadline.after(SECONDS))
            said, stage, reason = ("exact" if level.exact else "open"), "", ""
            wrong = wrong_level(case, level.lower, level.images, level.margins)
        else:
            verdict = verifier.verify(case.eps, Deadline.after(SECONDS))
            said, stage, reason = verdict.outcome.value, verdict.stage.value, verdict.reason
            wrong = wrong_verdict(case, verdict.outcome, verdict.margin, verdict.witness)
    except MlspecError as error:
        said, stage, reason, wrong = type(error).__name__, "", str(error), ""
    seconds = time.monotonic() - began
    return replace(
        asked, said=said, stage=stage, reason=_plain(reason), seconds=seconds, wrong=wrong
    )


def wrong_verdict(case: Case, outcome: Outcome, margin: float | None, witness: Array | None) -> str:
    """Say what is wrong with a verdict on ``case``; nothing, if it is empty."""
    match outcome:
        case Outcome.UNKNOWN:
            return ""
        case Outcome.ROBUST:
            if not case.robust:
                return f"robust, but a known image has margin {float(case.margin):.3g}"
            if margin is None or margin > case.margin + REPLAY_ERROR:
                return f"claims margin {margin}, but a known image has {float(case.margin):.3g}"
            return ""
        case Outcome.VIOLATED:
            if case.robust:
                return "violated, but no image violates"
            if witness is None or not _violates(case, witness):
                return "violated, but its witness does not"
            return ""


def wrong_level(case: Case, lower: float, images: Array, margins: Array) -> str:
    """Say what is wrong with a level: its lower end, and the images of its upper end."""
    if lower > case.margin + REPLAY_ERROR:
        return f"no margin below {lower:.6g}, but a known image has {float(case.margin):.6g}"
    box = case.problem.neighborhood(case.eps).box
    if not all(box.contains(image) for image in images):
        return "an image outside the neighborhood"
    if not np.allclose(case.problem.margin(images), margins, rtol=0.0, atol=BATCH_ERROR):
        return "an image has another margin than is said"
    if case.floor is not None and margins[0] < case.floor - REPLAY_ERROR:
        return f"an image of margin {margins[0]:.3g}, but no margin is below {float(case.floor)}"
    return ""


def _violates(case: Case, witness: Array) -> bool:
    inside = case.problem.neighborhood(case.eps).box.contains(witness)
    return inside and bool(case.problem.margin(witness[None])[0] <= 0.0)


def _plain(reason: str) -> str:
    """Return a reason without its numbers, so that reasons of a kind are alike."""
    return re.sub(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", "#", reason)
