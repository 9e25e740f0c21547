"""What a spec would solve: the plan that ``mlspec check`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlspec.core import forward
from mlspec.core.naming import counted
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import DecisionRule, Threshold, TopK
from mlspec.preflight import ModelSize, SolverPlan
from mlspec.spec import ExperimentSpec, profiles


def plan(
    name: str, problem: Problem, difference: float, spec: ExperimentSpec, ahead: SolverPlan
) -> RenderableType:
    """Return the plan of one spec: its problem, how that is searched, and which solver it meets.

    ``difference`` is the largest between the scores of the network and those of onnxruntime.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for key, value in {**_of_problem(problem, difference), **_of_search(spec, ahead)}.items():
        table.add_row(key, Text(value))
    if ahead.obstacle:
        table.add_row("obstacle", Text(ahead.obstacle))
    state = "cannot be solved" if ahead.obstacle else "ready to solve"
    return Group(Text(f"{name}: {state}", style="bold"), table)


def _of_search(spec: ExperimentSpec, ahead: SolverPlan) -> dict[str, str]:
    search, verifier, size = spec.search, spec.verifier, ahead.size
    queries = "" if spec.budget.queries is None else f", {spec.budget.queries} complete queries"
    return {
        "search": f"{search.strategy}, shrink {spec.shrink.policy}, tolerance {search.tolerance:g}",
        "verifier": f"bounds up to {verifier.bounds} on {ahead.device}, "
        f"then MILP ({verifier.milp.objective}), "
        f"{verifier.milp.seconds:g} s a query at most",
        "solver": ahead.solver,
        "models": f"up to {size.variables:,} variables and {size.constraints:,} constraints, at "
        f"eps {size.eps[0]:.3g} everywhere, where an attack succeeds",
        "licences": "; ".join(_licences(spec, size)),
        "budget": f"{spec.budget.seconds:g} s{_work(spec)}{queries}",
    }


def _work(spec: ExperimentSpec) -> str:
    work = spec.budget.work
    return "" if work is None else f", the work of {work:g} s on a reference machine"


def _licences(spec: ExperimentSpec, size: ModelSize) -> Iterator[str]:
    """Yield for each solver with a limited free licence whether models of ``size`` fit it."""
    for profile in profiles(spec.source).values():
        limit = profile.free_licence
        if limit is not None:
            fits = "fits" if limit.fits(size.variables, size.constraints) else "too large for"
            ends = f"{limit.variables:,} / {limit.constraints:,}"
            yield f"{fits} the free licence of {profile.name} ({ends})"


def _rule(rule: DecisionRule) -> str:
    match rule:
        case TopK(k):
            return f"top {k}"
        case Threshold():
            return "threshold"
        case _:
            assert_never(rule)


def _of_problem(problem: Problem, difference: float) -> dict[str, str]:
    names = problem.label_names
    scores = forward.scores(problem.network, problem.image[None])
    predicted = problem.property.rule.predicted(scores)[0]
    margin = float(problem.margin(problem.image[None])[0])
    decision = _rule(problem.property.rule)
    layering, weights = problem.layering, problem.weights
    moving = int(layering.pixels.sum())
    return {
        "classifier": _network(problem.network),
        "onnxruntime": f"gives the same scores, within {difference:.1g}",
        "image": " × ".join(str(size) for size in problem.image.shape)
        + " (channels × rows × columns)",
        "object": f"{int(problem.object_mask.sum())} pixels",
        "predicted": ", ".join(names[i] for i in np.flatnonzero(predicted)) + f" ({decision})",
        "target": ", ".join(names[target] for target in problem.property.targets)
        + f", ahead by a margin of {margin:.3g}",
        "layers": f"{counted(layering)}; {moving} of {layering.index.size} pixels can move",
        "weights": _weights(weights, layering.kind.part),
        "objective": f"{problem.aim}: {problem.objective.words}",
    }


def _weights(weights: Array, one: str) -> str:
    if weights.min() == weights.max():
        return f"{weights[0]:.3g} for each {one}"
    return f"{weights[0]:.3g} for the first {one} to {weights[-1]:.3g} for the last"


def _network(network: Network) -> str:
    parameters = sum(array.size for op in network.ops for array in op.parameters)
    chain = " → ".join(type(op).__name__.lower() for op in network.ops)
    return f"{chain}; {parameters:,} parameters, {network.labels} labels"
