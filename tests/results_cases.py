"""Random traces of random problems, and the datasets made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from hypothesis.strategies import SearchStrategy
from random_ops import SMALL, Rng, one_of
from strategies import random_problem, random_radius, seeded

from mlspec.core.problem import Problem
from mlspec.core.trace import (
    Ask,
    Block,
    Cut,
    Iteration,
    Move,
    Query,
    Step,
    StopReason,
    Tally,
    Trace,
)
from mlspec.core.verdict import Outcome, Proof, Stage
from mlspec.results import Provenance, to_dataset

ONNX = bytes(range(256)) * 3
PROVENANCE = Provenance(
    name="case",
    spec_json='{"search": {"strategy": "gradient"}, "note": "ε ≤ 1"}',
    classifier_onnx=ONNX,
    classifier_file="classifiers/case.onnx",
    solver="highs",
    seed=7,
    versions={"python": "3.11.7", "mlspec": "0.1.0"},
    object_label="3",
)
UPPER_BOUND = 12.5


@dataclass(frozen=True, eq=False)
class Case:
    """A problem, a trace of it, and their dataset."""

    problem: Problem
    trace: Trace
    ds: xr.Dataset


def cases() -> SearchStrategy[Case]:
    """Cases with 0 to 5 steps, queries and cuts, and layers blocked in every way."""
    return seeded(random_case)


def random_case(rng: Rng) -> Case:
    """Return a case; the numbers of its trace need not make sense together."""
    problem = random_problem(rng, SMALL, moving=None)
    trace = random_trace(rng, problem)
    trace.upper_bound = UPPER_BOUND
    return Case(problem, trace, to_dataset(problem, trace, PROVENANCE))


BASES = (*(proof.value for proof in Proof), "claimed by scip")


def random_trace(rng: Rng, problem: Problem) -> Trace:
    """Return a trace of ``problem``, empty now and then."""
    count = problem.layering.count
    trace = Trace(count)
    for _ in range(int(rng.integers(0, 6))):
        eps, outcome = random_radius(rng, count), one_of(rng, tuple(Outcome))
        basis = one_of(rng, BASES)
        move, grown = one_of(rng, tuple(Move)), tuple(rng.integers(count, size=1 + count // 2))
        trace.steps.append(Step(eps, problem.size(eps), outcome, rng.random(), move, grown, basis))
    for _ in range(int(rng.integers(0, 6))):
        ask, stage = one_of(rng, tuple(Ask)), one_of(rng, tuple(Stage))
        milp = bool(rng.integers(2))
        outcome = one_of(rng, tuple(Outcome))
        basis = one_of(rng, BASES)
        trace.queries.append(Query(ask, stage, outcome, rng.random(), milp, basis))
    for _ in range(int(rng.integers(0, 4))):
        move = one_of(rng, (Move.EXPANSION, Move.SHRINKAGE))
        outcome, gradient, weights = (
            one_of(rng, tuple(Outcome)),
            -rng.random(count),
            rng.random(count),
        )
        eps, margin, lambda_, seconds = random_radius(rng, count), *rng.random(3)
        trace.iterations.append(
            Iteration(move, eps, outcome, margin, gradient, weights, lambda_, seconds)
        )
    trace.tallies = {
        stage: Tally(int(rng.integers(1, 9)), int(rng.integers(2)), rng.random())
        for stage in Stage
        if rng.integers(2)
    }
    for _ in range(int(rng.integers(0, 6))):
        trace.cuts.append(random_cut(rng, problem))
    for layer in range(count):
        match one_of(rng, (None, *Block)):
            case Block.WITNESS:
                trace.blocked[layer] = (Block.WITNESS, random_cut(rng, problem))
            case Block.CAP:
                trace.blocked[layer] = (Block.CAP, None)
    trace.best = random_radius(rng, count)
    trace.stop = one_of(rng, (None, *StopReason))
    trace.seconds = float(rng.random())
    return trace


def random_cut(rng: Rng, problem: Problem) -> Cut:
    """Return a cut whose witness is any image."""
    witness = np.asarray(rng.random(problem.image.shape))
    return Cut(problem.layering.extents(witness - problem.image), witness)
