"""A verdict in words: what was asked, the answer, and for a violation how it comes about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mlspec.core.naming import counted, part_name
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, Proof, Verdict
from mlspec.report.labels import change_of_image
from mlspec.report.numbers import listed
from mlspec.report.style import TABLE


def verdict_lines(verdict: Verdict, problem: Problem, eps: Array) -> Iterator[str]:
    """Yield the lines that ``mlspec verify`` prints below the outcome; ``eps`` is ``(R,)``."""
    yield describe_query(problem, eps)
    match verdict.outcome:
        case Outcome.ROBUST:
            if verdict.margin is not None:
                yield f"margin >= {verdict.margin:.6g} (certified)"
        case Outcome.VIOLATED:
            yield from _violation(verdict, problem)
        case Outcome.UNKNOWN:
            if verdict.margin is not None:
                yield f"margin >= {verdict.margin:.6g} (certified so far)"
        case _:
            assert_never(verdict.outcome)
    did = "left open" if verdict.outcome is Outcome.UNKNOWN else "decided"
    yield f"{did} by {verdict.stage.value} after {verdict.seconds:.2f} s"
    if verdict.reason:
        yield f"reason: {verdict.reason}"
    match verdict.proof:
        case Proof.NONE:
            if verdict.claim:
                yield f"not proved: only {verdict.claim} calls it robust"
        case Proof.BOUNDS | Proof.DUAL_BOUNDS | Proof.REPLAY:
            yield f"proof: {verdict.proof.value}"
        case _:
            assert_never(verdict.proof)


def describe_query(problem: Problem, eps: Array) -> str:
    """Return what is asked of the neighborhood ``eps`` ``(R,)``: targets and epsilons."""
    targets = [problem.label_names[target] for target in problem.property.targets]
    least, most = f"{eps.min():.4g}", f"{eps.max():.4g}"
    size = f"eps {least}" if least == most else f"eps {least} to {most}"
    return (
        f"target{'s' * (len(targets) > 1)} {listed(targets)}, {size}, {counted(problem.layering)}"
    )


def _violation(verdict: Verdict, problem: Problem) -> Iterator[str]:
    if verdict.witness is None:
        raise ValueError("a violation comes with its image")
    change = change_of_image(problem, verdict.witness)
    yield change.cause
    for name, before, after in change.scores:
        yield f"score of {name}: {before:.4g} -> {after:.4g}"
    yield f"moved: {moved(problem, verdict.witness)}"
    if verdict.margin is not None:
        yield f"margin = {verdict.margin:.6g} (of the witness)"


def moved(problem: Problem, image: Array) -> str:
    """Return in which layers ``image`` ``(C, H, W)`` differs from the centre and by how much at
    most, the strongest change first; of many layers only that one is named."""
    layering = problem.layering
    extents = layering.extents(image - problem.image)
    order = np.argsort(-extents, kind="stable")
    order = order[extents[order] > 0.0]
    said = [f"{part_name(layering, r)} by {extents[r]:.3g}" for r in order.tolist()]
    if len(said) <= TABLE.listed_moves:
        return listed(said) or "nothing"
    all_parts = f"{len(said)} of {layering.count} {layering.kind.parts}"
    return f"{all_parts}, the most in {said[0]}"


def account(verdict: Verdict) -> RenderableType:
    """Return what each stage did for ``verdict``, one line each."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("stage", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("finding")
    for item in verdict.accounts:
        table.add_row(item.stage.value, f"{item.seconds:.3f} s", Text(item.finding))
    return table
