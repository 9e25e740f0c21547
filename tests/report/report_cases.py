"""A problem whose answer is known in closed form, and results of searching it.

A linear classifier of 12×12 images with labels 3, 8 and 9: 3 scores 10, 8 scores 0, and 9 scores 1
minus ``SLOPE`` times the intensity of all pixels. On the image, which is black but for a 3, both 3
and 9 are predicted; 9 is lost to 8 once the pixels have gained ``1 / SLOPE`` in all.
"""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import DecisionRule, Property, TopK
from mlspec.core.trace import Ask, Block, Cut, Move, Query, Step, StopReason, Trace
from mlspec.core.verdict import Outcome, Stage
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.results import Provenance, to_dataset

SIDE = 12
SLOPE = 0.1
LABELS = ("3", "8", "9")


def make_problem(
    layers: int = 6,
    channels: int = 1,
    rule: DecisionRule | None = None,
    targets: tuple[int, ...] = (2,),
) -> Problem:
    """Return the problem; the object is a 4×4 square, pixels beyond ``layers`` do not move."""
    image = np.zeros((channels, SIDE, SIDE))
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    mask[4:8, 2:6] = True
    image[:, mask] = 0.5
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = np.maximum(np.maximum(4 - y, y - 7), np.maximum(2 - x, x - 5)).clip(0)
    index = np.where(distance < layers, distance, -1).astype(np.int16)
    weight = np.zeros((3, image.size))
    weight[2] = -SLOPE
    bias = np.array([10.0, 0.0, 1.0 + SLOPE * image.sum()])
    return Problem(
        network=Network((Flatten(), Linear(weight, bias)), image.shape),
        image=image,
        object_mask=mask,
        layering=Layering(index, layers),
        property=Property(rule or TopK(2), targets, 3),
        weights=np.linspace(1.0, 0.5, layers),
        label_names=LABELS,
    )


def beyond(problem: Problem, eps: Array, layer: int) -> Cut:
    """Return the cut of the brightest image of ``eps``, with ``layer`` raised until 9 is lost."""
    gains = problem.layering.pixels * problem.image.shape[0]
    eps = eps.copy()
    missing = 1.0 / SLOPE - float(gains @ eps)
    eps[layer] += 1.001 * missing / gains[layer]
    witness = problem.image + problem.layering.spread(eps)
    return Cut(problem.layering.extents(witness - problem.image), witness)


def make_trace(problem: Problem, steps: int = 8) -> Trace:
    """Return a search that grows from a tenth of a robust radius to the whole of it.

    Layer 0 and every third layer are blocked by a witness; the last is free, the others unknown.
    """
    count = problem.layering.count
    gains = problem.layering.pixels * problem.image.shape[0]
    goal = 0.9 / SLOPE / gains.sum() * np.linspace(1.2, 0.8, count)
    trace = Trace(count)
    for number in range(1, steps + 1):
        outcome = (Outcome.ROBUST, Outcome.UNKNOWN, Outcome.VIOLATED)[
            number % 3 if number < steps else 0
        ]
        eps = goal * number / steps
        trace.steps.append(Step(eps, problem.size(eps), outcome, 0.5 * number, Move.CEGIS))
        trace.queries.append(Query(Ask.BOUND, Stage.CROWN, outcome, 0.1, milp=False))
        trace.queries.append(Query(Ask.ATTACK, Stage.ATTACK, outcome, 0.2, milp=False))
        milp = number % 2 == 0
        stage = Stage.MILP if milp else Stage.ALPHA
        trace.queries.append(Query(Ask.COMPLETE, stage, outcome, 0.2, milp))
        if outcome is Outcome.ROBUST:
            trace.best = eps
    for layer in range(0, count - 1, 3):
        cut = beyond(problem, trace.best, layer)
        trace.cuts.append(cut)
        trace.blocked[layer] = (Block.WITNESS, cut)
    if count > 1:
        trace.blocked[count - 1] = (Block.CAP, None)
    trace.stop, trace.seconds = StopReason.SECONDS, 0.5 * steps + 0.5
    return trace


def make_result(
    problem: Problem | None = None, trace: Trace | None = None, name: str = "known"
) -> xr.Dataset:
    """Return the dataset of a search of ``problem``."""
    problem = problem or make_problem()
    trace = make_trace(problem) if trace is None else trace
    spec = {"search": {"strategy": "gradient"}, "shrink": {"policy": "fixed"}}
    provenance = Provenance(
        name, json.dumps(spec), b"onnx", f"classifiers/{name}.onnx", "highs", 0, {}, "3"
    )
    trace.upper_bound = 1.5 * problem.size(trace.best) + 0.1
    trace.objective_bound = 1.5 * float(problem.objective.values(trace.best)) + 0.1
    return to_dataset(problem, trace, provenance)
