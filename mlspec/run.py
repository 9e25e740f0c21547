"""The composition root: from a spec to its answer. The only module that names concrete parts.

Read it from the top to follow the data: spec -> problem -> verifier -> search -> dataset -> file.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import assert_never

import xarray as xr

from mlspec.attack.context import AttackContext
from mlspec.attack.declared import fmn_of, pgd_of
from mlspec.attack.fmn import Fmn
from mlspec.attack.patterns import WitnessPatterns
from mlspec.attack.sensitivity import sensitivities, steering
from mlspec.bounds.context import BoundsContext
from mlspec.bounds.crown import Crown
from mlspec.bounds.declared import alpha_of
from mlspec.bounds.registry import bounders, methods
from mlspec.branching.declared import branch_and_cut_of
from mlspec.core.clock import WALL, Clock
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import Watcher
from mlspec.core.verdict import Outcome, Verdict
from mlspec.errors import SaveWarning
from mlspec.experiment import Experiment, clock_of, prepare
from mlspec.files import claimed, require_writable
from mlspec.interrupts import undisturbed
from mlspec.milp.compile import Compiler
from mlspec.preflight import Preflight, SolverPlan
from mlspec.results import Destination, Saver, destination, open_result
from mlspec.resume import go_on, problem_of, require_same_question, stored
from mlspec.search.ascent import AscentStrategy
from mlspec.search.attack_bracket import AttackBracket
from mlspec.search.budget import SearchBudget
from mlspec.search.cegis import Cegis
from mlspec.search.certificate import MaximalityCertificate
from mlspec.search.climb import Climb
from mlspec.search.exact import ExactStrategy
from mlspec.search.gradient import GradientStrategy
from mlspec.search.lowering import UpperBoundLowering, VertexCutting
from mlspec.search.maximise import Maximiser
from mlspec.search.naive import NaiveStrategy
from mlspec.search.optimizer import Optimizer
from mlspec.search.proposal import ProposalStrategy
from mlspec.search.search import Search, Strategy
from mlspec.search.shrink import POLICIES, ShrinkFacts
from mlspec.search.slp import SequentialLinearProgramming
from mlspec.search.start import CertifiedStart
from mlspec.solvers import chosen, interfaces, prover_for
from mlspec.spec import ExperimentSpec
from mlspec.tensors import device_of, single_threaded
from mlspec.verifier.cascade import Cascade
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.complete import CompleteStage
from mlspec.verifier.float32 import verify_in_float32
from mlspec.verifier.hull_refutation import HullRefutation
from mlspec.verifier.level import Level, LevelFinder
from mlspec.verifier.local_search import LocalSearch
from mlspec.verifier.stages import Stages


def solve(
    spec: ExperimentSpec,
    path: Path | None = None,
    watch: Watcher | None = None,
    resume: xr.Dataset | None = None,
    force: bool = False,
) -> xr.Dataset:
    """Search for the maximal robust layered neighborhood of ``spec`` and return the result.

    ``path`` receives the result file early and whenever the certified value grows. ``resume`` is an
    earlier result of the same problem to go on from; raises ResumeError, and leaves ``path`` as it
    is, where that cannot be proved again. KeyboardInterrupt ends the search, not the call: the
    dataset then holds what was certified, with the stop reason ``interrupted``.

    A better result of the same question that is in ``path`` stays there unless ``force``: this one
    is then saved beside it, with a SaveWarning. Raises InputError where ``path`` holds what is no
    result, unless ``force``, and where another search writes to ``path``.
    """
    began, experiment = time.monotonic(), prepare(spec)
    if path is None:
        return solve_experiment(experiment, None, watch, resume, began)
    require_writable(path)
    with claimed(path):
        place = Destination(path, path)
        if resume is None:
            place = destination(path, experiment.unsolved(), force=force)
        result = solve_experiment(experiment, place.working, watch, resume, began)
        saved = place.settle(result)
    if saved != path:
        warnings.warn(f"{path} holds a better result: saved in {saved}", SaveWarning, stacklevel=2)
    return result


def solve_experiment(
    experiment: Experiment,
    path: Path | None = None,
    watch: Watcher | None = None,
    resume: xr.Dataset | None = None,
    began: float | None = None,
) -> xr.Dataset:
    """Do what ``solve`` does, for a prepared experiment; the final result is left to be saved.

    The budget counts from ``began``, in ``time.monotonic()`` seconds; from now if None.
    """
    began = time.monotonic() if began is None else began
    spec, problem = experiment.spec, experiment.problem
    preflight_of(problem).require_licence(chosen(spec.solver, spec.source))
    saver = Saver(problem, experiment.provenance, watch)
    clock = clock_of(spec, began)
    with single_threaded():
        verifier = verifier_of(problem, spec, clock)
        budget = SearchBudget(spec.budget.limit, spec.budget.queries, began, clock)
        search = Search(problem.objective, verifier, budget, saver)
        search.trace.tallies = verifier.tallies
        if resume is not None:
            require_same_question(problem, resume)
            go_on(search, verifier.learn(resume["witness_image"].values), resume, path)
        saver.path = path
        trace = maximiser_of(problem, spec).run(search)
    with undisturbed(afterwards=False):
        return saver.dataset(trace)


def verify(spec: ExperimentSpec, eps: Array | float, *, float32: bool = False) -> Verdict:
    """Decide whether the neighborhood of ``eps`` is robust; with ``float32``, whether it is
    for the network as it computes in float32.

    ``eps`` is one value, or one per layer; of an asymmetric spec also ``(K, 2)``, one downwards and
    one upwards for each layer, or those values in a row.
    """
    problem = prepare(spec).problem
    return decide(problem, spec, problem.layering.eps_meant(eps), float32=float32)


def decide(problem: Problem, spec: ExperimentSpec, eps: Array, *, float32: bool = False) -> Verdict:
    """Decide whether the neighborhood ``eps`` ``(R,)`` of ``problem`` is robust, with the verifier,
    solver and budget of ``spec``; with ``float32``, whether it is for float32 scores.

    Raises LicenceError where only the solver could decide and the models are too large for it.
    """
    end = Deadline.after(spec.budget.limit, clock_of(spec))

    def asked(of: Problem) -> Verdict:
        verdict = verifier_of(of, spec, end.clock).verify(eps, end)
        if verdict.outcome is Outcome.UNKNOWN:
            preflight_of(of).require_licence(chosen(spec.solver, spec.source), eps)
        return verdict

    with single_threaded():
        return verify_in_float32(problem, eps, asked) if float32 else asked(problem)


def level(spec: ExperimentSpec, eps: Array | float) -> Level:
    """Return the robustness level over the neighborhood of ``eps``, the least margin of all
    its images, and its weakest images; ``eps`` is as for ``verify``.

    It is as exact as ``budget`` allows.
    """
    problem = prepare(spec).problem
    return level_of(problem, spec, problem.layering.eps_meant(eps))


def level_of(problem: Problem, spec: ExperimentSpec, eps: Array) -> Level:
    """Do what ``level`` does, for a problem and epsilons ``(R,)``."""
    end = Deadline.after(spec.budget.limit, clock_of(spec))
    with single_threaded():
        return verifier_of(problem, spec, end.clock).level(eps, end)


def recertify(
    result: xr.Dataset,
    solver: str | None = None,
    origin: str = "<result>",
    *,
    float32: bool = False,
) -> Verdict:
    """Decide again, from the result alone, whether its neighborhood is robust; with ``float32``,
    whether it is for the network as it computes in float32.

    ``solver`` is ``NAME`` or ``NAME,NAME``, instead of what the result was made with; ``origin`` is
    what errors call the result.
    """
    again = stored(result, solver, origin)
    return decide(again.problem, again.spec, again.eps, float32=float32)


def verifier_of(problem: Problem, spec: ExperimentSpec, clock: Clock = WALL) -> Cascade:
    """Return the cascade that ``spec.verifier`` and ``spec.solver`` declare."""
    return Cascade(problem, stages_of(problem, spec, clock))


def stages_of(problem: Problem, spec: ExperimentSpec, clock: Clock = WALL) -> Stages:
    """Return its stages, whose work counts on ``clock``."""
    choice = spec.verifier
    device = device_of(choice.device)
    context = AttackContext(problem, device, clock)
    pgd, fmn = pgd_of(choice.attack), fmn_of(choice.attack)
    scout = pgd.lighter().on(context, spec.seed)
    bounded = BoundsContext(problem.relaxed, problem.property, device, clock)
    crown = Crown().on(bounded)
    known = interfaces(branch_and_cut_of(choice.branch_and_cut))
    backend = chosen(spec.solver, spec.source, known)
    compiler = Compiler(problem.relaxed, decision=choice.milp.objective == "decision")
    models = ClaimModels(compiler, backend, prover_for(backend, known))
    complete = CompleteStage(problem, models, choice.milp.seconds)
    return Stages(
        attack=pgd.on(context, spec.seed),
        scout=scout,
        local_search=LocalSearch(problem, fmn.on(context, spec.seed), crown, complete),
        hull_refutation=HullRefutation(problem, scout, crown, WitnessPatterns(context)),
        bounders=bounders(choice.bounds, bounded, methods(alpha_of(choice.alpha))),
        crown=crown,
        complete=complete,
        levels=LevelFinder(problem, models),
    )


def preflight_of(problem: Problem) -> Preflight:
    """Return what builds the models of ``problem`` before a search, and tells their sizes."""
    attack = Fmn(restarts=8, rounds=2).on(AttackContext(problem), seed=0)
    crown = Crown().on(BoundsContext(problem.relaxed, problem.property))
    return Preflight(problem, attack.find, crown.analyse, Compiler(problem.relaxed).compile)


def solver_plan(experiment: Experiment) -> SolverPlan:
    """Return which solver ``experiment`` is going to ask, how large its models get, and why it
    cannot take them, if so."""
    spec = experiment.spec
    solver = chosen(spec.solver, spec.source)
    device = device_of(spec.verifier.device).type
    return preflight_of(experiment.problem).plan(solver, device)


def maximiser_of(problem: Problem, spec: ExperimentSpec) -> Maximiser:
    """Return the phases of the search that ``spec.search`` and ``spec.shrink`` declare."""
    declared, layering = spec.search, problem.layering
    steer = steering(problem) if spec.weights == "sensitivity" else None
    optimizer = Optimizer(declared.step, declared.lambda_start, declared.lambda_decay, steer)
    slp = SequentialLinearProgramming(most_steps=declared.slp.steps)
    bracket = AttackBracket(declared.bracket.beyond, declared.bracket.seconds)
    facts = ShrinkFacts(
        layering.distance[layering.layer_of],
        sensitivities(problem.network, problem.image, problem.property, layering),
        prose=spec.shrink.order == "prose",
    )
    policy = POLICIES[spec.shrink.policy].of(facts)
    cegis = Cegis(policy, bracket)
    ascent = AscentStrategy(optimizer, slp)
    gradient = GradientStrategy(
        Climb(cegis, optimizer, slp, bracket, tolerance=declared.tolerance),
        ascent,
        quick_seconds=declared.gradient.quick_seconds,
        lambda_factors=declared.gradient.lambda_factors,
        grown_alone=declared.gradient.grown_alone,
        proposing=declared.gradient.proposing,
    )
    strategy: Strategy
    reserved = declared.certificate.reserved
    match declared.strategy:
        case "gradient":
            strategy = gradient
        case "naive":
            strategy = NaiveStrategy(declared.tolerance)
        case "ascent":
            strategy = ascent
        case "exact":
            strategy = ExactStrategy(
                declared.gap, gradient, declared.exact.head_start, bracket=bracket
            )
            reserved = 0.0  # near the optimum a certificate says little more
        case "proposal":
            tuned = declared.proposal.model_dump()
            strategy = ProposalStrategy(policy, optimizer, **tuned, tolerance=declared.tolerance)
        case _:
            assert_never(declared.strategy)
    return Maximiser(
        CertifiedStart(declared.floor),
        strategy,
        UpperBoundLowering(VertexCutting(), declared.tolerance),
        MaximalityCertificate(declared.tolerance, bracketed=declared.certificate.bracketed),
        reserved,
    )


__all__ = ["Experiment", "level", "open_result", "prepare", "problem_of", "recertify"]
__all__ += ["solve", "verify"]
