"""What a spec would solve: the plan that ``mlspec check`` prints."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlspec.core import forward
from mlspec.core.naming import counted, noun
from mlspec.core.network import AffineOp, Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import TopK


def plan(
    name: str, problem: Problem, facts: Mapping[str, str], obstacle: str = ""
) -> RenderableType:
    """Return the plan of one spec; ``facts`` are further lines (search, solver, budget), and an
    ``obstacle`` says why it cannot be solved."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for key, value in {**_facts(problem), **facts}.items():
        table.add_row(key, Text(value))
    if obstacle:
        table.add_row("obstacle", Text(obstacle))
    state = "cannot be solved" if obstacle else "ready to solve"
    return Group(Text(f"{name}: {state}", style="bold"), table)


def _facts(problem: Problem) -> dict[str, str]:
    names = problem.label_names
    scores = forward.scores(problem.network, problem.image[None])
    predicted = problem.property.rule.predicted(scores)[0]
    margin = float(problem.margin(problem.image[None])[0])
    rule = problem.property.rule
    decision = f"top {rule.k}" if isinstance(rule, TopK) else "threshold"
    layering, weights = problem.layering, problem.weights
    moving = int(layering.pixels.sum())
    return {
        "classifier": _network(problem.network),
        "image": " × ".join(str(size) for size in problem.image.shape)
        + " (channels × rows × columns)",
        "object": f"{int(problem.object_mask.sum())} pixels",
        "predicted": ", ".join(names[i] for i in np.flatnonzero(predicted)) + f" ({decision})",
        "target": ", ".join(names[target] for target in problem.property.targets)
        + f", ahead by a margin of {margin:.3g}",
        "layers": f"{counted(layering)}; {moving} of {layering.index.size} pixels can move",
        "weights": _weights(weights, noun(layering)),
        "objective": f"{problem.aim}: {problem.objective.words}",
    }


def _weights(weights: Array, one: str) -> str:
    if weights.min() == weights.max():
        return f"{weights[0]:.3g} for each {one}"
    return f"{weights[0]:.3g} for the first {one} to {weights[-1]:.3g} for the last"


def _network(network: Network) -> str:
    parameters = sum(
        op.weight.size + op.bias.size for op in network.ops if isinstance(op, AffineOp)
    )
    chain = " → ".join(type(op).__name__.lower() for op in network.ops)
    return f"{chain}; {parameters:,} parameters, {network.labels} labels"
