"""What a query costs with a warm start from the one before it: ``make bench-neighbours``.

Around one neighborhood single layers grow by 2 %, as they do for the certificate, and then all of
them. Every such query is asked twice, after the one before it and from nothing, and its work is
counted (``budget.work``), so that the load of the machine does not matter.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.cases import Case, cases, rows_of
from benchmarks.tables import footer, markdown
from mlspec import run
from mlspec.core.clock import WorkClock
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.verdict import Outcome
from mlspec.verifier.complete import CompleteStage

SHARE = 0.97
"""Of the attack radius: the neighborhood that the others are near."""
GROWN = (0, 1, 2, 3, 5, 8)
"""Layers that grow alone."""
BY = 1.02
HEADS = ("spec", "direction", "queries", "from nothing", "after another", "ratio, median")


def neighbours(eps: Array) -> Iterator[Array]:
    """Yield the epsilons ``(K,)`` asked: ``eps``, single layers grown, and all of them a bit."""
    yield eps
    for layer in GROWN:
        if layer < len(eps):
            yield eps + np.eye(len(eps))[layer] * max((BY - 1.0) * eps[layer], 1e-4)
    yield 1.01 * eps


def work(case: Case, stage: CompleteStage, eps: Array, seconds: float) -> tuple[float, Outcome]:
    """Return the work of the complete stage on what bounds leave open of ``eps``, in seconds of the
    reference machine, and the outcome."""
    stages = run.stages_of(case.problem, case.spec)
    box = case.problem.neighborhood(eps).box
    analysis = None
    for bounder in stages.bounders:
        analysis = bounder.analyse(box, analysis)
    assert analysis is not None
    clock = WorkClock()
    verdict = stage.decide(box, analysis, (), Deadline.after(seconds, clock), [])
    return clock.now(), verdict.outcome


def row(case: Case, seconds: float) -> list[str]:
    """Return the sums of both ways, without the first query, and the median of their ratios."""
    stage = run.stages_of(case.problem, case.spec).complete
    assert stage is not None
    pairs = []
    for number, eps in enumerate(neighbours(case.eps(SHARE))):
        nothing, alone = work(case, replace(stage, warm_starts={}), eps, seconds)
        after, said = work(case, stage, eps, seconds)
        if {alone, said} == {Outcome.ROBUST, Outcome.VIOLATED}:
            raise RuntimeError(f"{case.name}, {case.label}, {eps}: {alone} alone, but {said} after")
        if number and nothing > 0.0:  # else bounds leave nothing open
            pairs.append((nothing, after))
    if not pairs:
        return [f"`{case.name}`", case.label, "0", "", "", ""]
    sums = [f"{sum(each):.1f}" for each in zip(*pairs, strict=True)]
    ratio = statistics.median(nothing / after for nothing, after in pairs)
    return [f"`{case.name}`", case.label, str(len(pairs)), *sums, f"{ratio:.1f}"]


def main(specs: Sequence[str], labels: Sequence[str], seconds: float) -> None:
    """Print one row for each spec and direction; a query has ``seconds`` of work."""
    began = time.perf_counter()
    rows = rows_of(cases(specs, labels), lambda case: row(case, seconds))
    print(markdown(HEADS, rows, words=2))
    print(f"\n{footer(('mlspec', 'torch', 'highspy'), began)}")
