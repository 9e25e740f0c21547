"""What a run will meet: how large its models get, which solver and licence fits them.

Sizes are those at the *attack radius*: the least radius, alike in all layers, at which an attack
finds a violation. Complete queries are asked just below it; CROWN bounds, looser than the
verifier's own, make the models there a little larger than those that are solved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlspec.attack.nearest import NearestAttack
from mlspec.backends.auto import AutoBackend
from mlspec.backends.backend import ProgramBackend
from mlspec.backends.portfolio import PortfolioBackend
from mlspec.backends.registry import ChosenBackend, chosen
from mlspec.bounds.analysis import Bounder
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.errors import LicenceError
from mlspec.milp.choosing import choosing
from mlspec.milp.compile import Compiler
from mlspec.milp.export import write
from mlspec.milp.model import MilpModel
from mlspec.spec import ExperimentSpec, profiles
from mlspec.tensors import device_of, single_threaded

RESTARTS, WAVES = 8, 2


@dataclass(frozen=True, eq=False)
class Outlook:
    """The models at one radius, one per target label that bounds leave open."""

    eps: Array
    """``(K,)``."""
    models: tuple[MilpModel, ...]

    @property
    def variables(self) -> int:
        """Those of the largest model."""
        return max((model.variables for model in self.models), default=0)

    @property
    def constraints(self) -> int:
        """Those of the largest model."""
        return max((model.constraints for model in self.models), default=0)


def outlook(problem: Problem, eps: Array | None = None) -> Outlook:
    """Return the models at ``eps`` ``(K,)``, or at the attack radius."""
    with single_threaded():
        radius = attack_radius(problem) if eps is None else eps
        return Outlook(radius, tuple(_models(problem, radius, whole=False)))


def attack_radius(problem: Problem) -> Array:
    """Return the least radius ``(K,)``, alike in all layers, that a quick attack violates; at
    most 1."""
    ones = np.ones(problem.layering.count)
    attack = NearestAttack(problem, RESTARTS, seed=0, waves=WAVES)
    found = attack.find(lambda shares: shares[:, None] * ones)
    return ones if found is None else found.share * ones


def write_models(problem: Problem, path: Path, form: str, eps: Array | None) -> dict[Path, Outlook]:
    """Write one file per target label and return what is in each.

    The model of a file has a feasible point iff some image of radius ``eps`` ``(K,)`` (by default,
    the attack radius) loses the label.
    """
    with single_threaded():
        radius = attack_radius(problem) if eps is None else eps
        models = _models(problem, radius, whole=True)
    targets = [problem.label_names[claim.target] for claim in problem.property.claims]
    written = {}
    for target, model in zip(targets, models, strict=True):
        each = path if len(targets) == 1 else path.with_stem(f"{path.stem}.{target}")
        write(model, each, form)
        written[each] = Outlook(radius, (model,))
    return written


def _models(problem: Problem, eps: Array, *, whole: bool) -> Sequence[MilpModel]:
    """Return the decision models; ``whole`` ones exist for every claim, and choose the subset."""
    box = problem.neighborhood(eps).box
    analysis = Bounder(problem.relaxed, problem.property, iterations=0).crown(box)
    compiler = Compiler(problem.relaxed)
    models = []
    for item in analysis.claims:
        rows = sorted({row for subset in item.subsets for row in subset})
        if whole:
            rows = rows or list(range(len(item.claim.rows)))
            model = compiler.compile(box, analysis.bounds(), item.claim, rows)
            models.append(choosing(model, item.claim.k))
        elif rows:
            models.append(compiler.compile(box, analysis.bounds(), item.claim, rows))
    return models


def facts(problem: Problem, spec: ExperimentSpec) -> tuple[dict[str, str], str]:
    """Return how ``problem`` will be searched and decided, for the plan, and why it cannot be (or
    nothing)."""
    search, verifier = spec.search, spec.verifier
    queries = "" if spec.budget.queries is None else f", {spec.budget.queries} complete queries"
    solvers, obstacle = _solver_facts(problem, spec)
    return {
        "search": f"{search.strategy}, shrink {spec.shrink.policy}, tolerance {search.tolerance:g}",
        "verifier": f"bounds up to {verifier.bounds} on {device_of(verifier.device).type}, "
        f"then MILP ({verifier.milp.formulation}, {verifier.milp.objective}), "
        f"{verifier.milp.seconds:g} s a query at most",
        **solvers,
        "budget": f"{spec.budget.seconds:g} s{queries}",
    }, obstacle


def _solver_facts(problem: Problem, spec: ExperimentSpec) -> tuple[dict[str, str], str]:
    solver = chosen(spec.solver, spec.source)
    ahead = outlook(problem)
    size = ahead.variables, ahead.constraints
    facts = {
        "solver": _named(solver, size),
        "models": f"up to {size[0]:,} variables and {size[1]:,} constraints, at eps "
        f"{ahead.eps[0]:.3g} everywhere, where an attack succeeds",
        "licences": _licences(spec, size),
    }
    try:
        solver.require(*size)
    except LicenceError as error:
        return facts, str(error)
    return facts, ""


def require_licence(problem: Problem, spec: ExperimentSpec, eps: Array | None = None) -> None:
    """Raise LicenceError where the models at ``eps`` (by default, at the attack radius) are larger
    than what the solver of ``spec`` may have."""
    solver = chosen(spec.solver, spec.source)
    if not solver.limited:
        return
    ahead = outlook(problem, eps)
    solver.require(ahead.variables, ahead.constraints)


def _named(solver: ChosenBackend, size: tuple[int, int]) -> str:
    match solver:
        case AutoBackend():
            one = solver.choice(*size)
            return f"auto: {one.name} {one.version}; {one.profile.licence}"
        case PortfolioBackend():
            names = " + ".join(f"{each.name} {each.version}" for each in solver.members)
            return f"{names}, side by side"
        case ProgramBackend():
            return f"{solver.name} {solver.version}; {solver.profile.licence}"
    return solver.name


def _licences(spec: ExperimentSpec, size: tuple[int, int]) -> str:
    said = []
    for profile in profiles(spec.source).values():
        limit = profile.free_licence
        if limit is not None:
            fits = "fits" if limit.fits(*size) else "too large for"
            ends = f"{limit.variables:,} / {limit.constraints:,}"
            said.append(f"{fits} the free one of {profile.name} ({ends})")
    return "; ".join(said)
