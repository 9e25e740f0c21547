"""The queries that mlspec and its peers both get: can all labels of one subset reach the target?

A query is what bounds leave open of a case: a box, and a subset of the margins of a claim that must
all be at most zero somewhere in it. Every peer's answer is an ``Answer``; ``agree`` compares two.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from benchmarks.cases import Case
from mlspec import run
from mlspec.backends.backend import ProgramBackend
from mlspec.backends.program import Layout, LinearProgram
from mlspec.bounds.alpha import AlphaCrown
from mlspec.bounds.analysis import Analysis, OpenClaim
from mlspec.bounds.context import BoundsContext
from mlspec.core import forward
from mlspec.core.deadline import Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel, Termination
from mlspec.solvers import chosen, prover_for
from mlspec.tolerances import MILP_MARGIN, REPLAY_AGREEMENT
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.complete import CompleteStage

ROUNDING = 1e-9
"""What sums in another order may lose: at so small a margin a witness still violates."""
CONTROL = 1e-3
"""How far pixels move around a violating image in a control question."""
BEYOND = 1.05
"""Share of the attack radius at which that image is sought: at the radius itself margins vanish."""


class End(StrEnum):
    """How a tool ended on a query."""

    ROBUST = "robust"
    VIOLATED = "violated"
    TIMEOUT = "timeout"
    MEMORY = "out of memory"
    FAILED = "failed"
    """Crashed, or gave a point that does not violate when it is replayed."""
    NO_MODEL = "no model"
    """The tool has no terms for an op of the network."""
    REFUTED = "robust, but refuted"
    """Said robust, and also of a box with a violating image in it: see ``controlled``."""

    @property
    def decides(self) -> bool:
        """Whether this is a verdict."""
        return self in (End.ROBUST, End.VIOLATED)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a tool said, and after how many seconds."""

    end: End
    seconds: float
    witness: Array | None = None
    """``(C, H, W)``, inside the box."""
    note: str = ""

    def counted(self, limit: float) -> float:
        """Return the seconds; a tool that did not decide counts with the ``limit``."""
        return self.seconds if self.end.decides else limit


@dataclass(frozen=True, eq=False)
class Query:
    """A subset of margins that bounds leave open on one box."""

    problem: Problem
    box: Box
    analysis: Analysis
    item: OpenClaim
    subset: tuple[int, ...]
    radius: float
    """The largest epsilon of its neighborhood."""
    bound_seconds: float
    """What the bounds took that leave it open: they count."""

    @property
    def competitors(self) -> str:
        """The names of the competitors."""
        names = self.problem.label_names
        return ", ".join(names[self.item.claim.competitors[row]] for row in self.subset)

    def margin(self, image: Array) -> float:
        """Return the largest of the subset's margins at ``image`` ``(C, H, W)``, in float64."""
        scores = forward.scores(self.problem.network, image[None])
        return float(self.item.claim.margins(scores)[0, list(self.subset)].max())

    def replayed(self, image: Array, seconds: float) -> Answer:
        """Return the answer of a tool that gives ``image`` as a witness."""
        inside = self.box.clip(image)
        margin = self.margin(inside)
        if margin <= ROUNDING:
            return Answer(End.VIOLATED, seconds, inside)
        near = "within tolerances" if margin <= REPLAY_AGREEMENT else "no violation"
        return Answer(End.FAILED, seconds, note=f"its point replays to {margin:.2g}: {near}")


def warm(case: Case) -> None:
    """Do once what only the first query of a network does: libraries load, matrices are made."""
    for query in queries(case, 0.9, 1):
        chosen(case.spec.solver, case.spec.source).open(compiled(query))


def queries(case: Case, share: float, most: int) -> list[Query]:
    """Return what bounds leave open at a share of the attack radius, the ``most`` weakest."""
    return queries_at(case, case.eps(share), most)


def queries_at(case: Case, eps: Array, most: int) -> list[Query]:
    """Return what bounds leave open at the epsilons ``eps`` ``(K,)``, the ``most`` weakest."""
    problem = case.problem
    box = problem.neighborhood(eps).box
    bounder = AlphaCrown().on(BoundsContext(problem.relaxed, problem.property))
    began = time.perf_counter()
    analysis = bounder.analyse(box)
    took = time.perf_counter() - began
    found = [
        Query(problem, box, analysis, item, subset, float(eps.max()), took)
        for item in analysis.claims
        for subset in item.subsets
    ]
    return sorted(found, key=lambda query: query.item.subsets[query.subset])[:most]


def compiled(query: Query) -> MilpModel:
    """Return our model of a query."""
    compiler = Compiler(query.problem.relaxed)
    return compiler.compile(query.box, query.analysis.bounds(), query.item.claim, query.subset)


def ours(case: Case, query: Query, limit: float) -> Answer:
    """Decide a query by our complete stage, from nothing: the bounds' seconds are counted."""
    began = time.perf_counter()
    problem, backend = query.problem, chosen(case.spec.solver, case.spec.source)
    left = limit - query.bound_seconds
    compiler, prover = Compiler(problem.relaxed), prover_for(backend)
    stage = CompleteStage(problem, ClaimModels(compiler, backend, prover), left)
    item = replace(query.item, subsets={query.subset: query.item.subsets[query.subset]})
    analysis = replace(query.analysis, claims=(item,))
    verdict = stage.decide(query.box, analysis, (), Deadline.after(left), [])
    took = time.perf_counter() - began + query.bound_seconds
    if verdict.witness is not None:
        return query.replayed(verdict.witness, took)
    if verdict.robust:
        return Answer(End.ROBUST, took)
    end = End.TIMEOUT if verdict.reason.startswith("time limit") else End.FAILED
    return Answer(end, took, note=verdict.reason)


def decided(
    case: Case,
    query: Query,
    model: MilpModel,
    arrays: tuple[LinearProgram, Layout],
    limit: float,
    began: float,
) -> Answer:
    """Decide a query by a peer's model, on the solver of the case, until ``began + limit``."""
    backend = chosen(case.spec.solver, case.spec.source)
    if not isinstance(backend, ProgramBackend):
        raise TypeError(f"benchmarks ask one solver, not {backend.name}")
    session = backend.open_program(model, *arrays)
    left = limit - (time.perf_counter() - began)
    report = session.solve(query.subset, Deadline.after(left), query.item.hardest(query.subset))
    took = time.perf_counter() - began
    if report.image is not None:
        return query.replayed(report.image, took)
    if report.termination is Termination.INFEASIBLE:
        return Answer(End.ROBUST, took)
    end = End.TIMEOUT if report.termination is Termination.LIMIT else End.FAILED
    return Answer(end, took, note=report.message)


def controlled(case: Case, query: Query, answer: Answer, ask: Callable[[Query], Answer]) -> Answer:
    """Return a tool's ``answer`` to ``query``; if that is robust, after a second question.

    It is about a small box around an image that violates, which the attack finds a little
    beyond the attack radius. Whoever calls that robust too has proved nothing.
    """
    if answer.end is not End.ROBUST:
        return answer
    eps = case.eps(BEYOND)
    image = run.verifier_of(case.problem, case.spec).weakest(eps, thorough=True).images[0]
    margin = query.margin(image)
    if margin > -MILP_MARGIN:
        return replace(answer, note="no control: the attack violates with other competitors")
    around = case.problem.neighborhood(eps).box
    box = Box(np.maximum(around.lower, image - CONTROL), np.minimum(around.upper, image + CONTROL))
    second = ask(replace(query, box=box))
    if second.end is not End.ROBUST:
        return replace(answer, note=f"control: {second.end.value}")
    note = f"also robust, it says, within {CONTROL:g} of an image with margin {margin:.2g}"
    return replace(answer, end=End.REFUTED, note=note)


class DisagreementError(RuntimeError):
    """Two tools decided the same query differently: one of them is wrong."""


def agree(query: Query, answers: dict[str, Answer]) -> None:
    """Raise DisagreementError where one tool says robust and another has an image that violates."""
    ends = {name: answer.end for name, answer in answers.items() if answer.end.decides}
    if len(set(ends.values())) > 1:
        margins = {
            name: query.margin(answer.witness)
            for name, answer in answers.items()
            if answer.witness is not None
        }
        moved = {
            name: float(np.abs(answer.witness - query.problem.image).max())
            for name, answer in answers.items()
            if answer.witness is not None
        }
        said = ", ".join(f"{name}: {end.value}" for name, end in ends.items())
        raise DisagreementError(
            f"competitors {query.competitors}: {said}; witnesses replay in float64 to {margins}, "
            f"their pixels moved by up to {moved}"
        )
