"""Problem and trace to dataset: one self-contained record of a search."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, assert_never

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mlspec.core import forward
from mlspec.core.layering import DIRECTIONS, Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import DecisionRule, Threshold, TopK
from mlspec.core.trace import Tally, Trace
from mlspec.core.verdict import Stage
from mlspec.results.digests import digests
from mlspec.results.moves import move_name
from mlspec.results.schema import DIRECTED, VARIABLES, Layout, dims_of

RUNNING = "running"
"""Stop reason of a dataset made while its search still runs."""


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from: what the arrays of a problem and a trace do not say."""

    name: str
    """Name of the spec."""
    spec_json: str = field(repr=False)
    """The resolved spec."""
    classifier_onnx: bytes = field(repr=False)
    """The classifier's ONNX file."""
    classifier_file: str
    """The name it was read from."""
    solver: str
    seed: int
    versions: Mapping[str, str]
    """Version by package, and of ``python``."""
    object_label: str = ""
    """Label of the perturbed object; empty if nobody knows."""


def to_dataset(problem: Problem, trace: Trace, provenance: Provenance) -> xr.Dataset:
    """Return everything about a search as one dataset, which can be saved at any time.

    Variables, dimensions and units are those of ``mlspec.results.schema``. A trace without steps,
    queries or cuts gives dimensions of length zero.
    """
    layering = problem.layering
    data = {**_answer(problem, trace), **_question(problem), **_search(problem, trace)}
    data["classifier_onnx"] = np.frombuffer(provenance.classifier_onnx, dtype=np.uint8)
    coords = {
        "layer": (
            "layer",
            np.arange(layering.layers),
            _words("number of the layer"),
        ),
        "label": ("label", _strings(problem.label_names), _words("label of the classifier")),
        "stage": ("stage", _strings(each.value for each in Stage), _words("stage of the verifier")),
    }
    if layering.names:
        coords["layer_name"] = ("layer", _strings(layering.names), _words("name of the layer"))
    if layering.asymmetric:
        words = _words("direction in which a pixel moves")
        coords["direction"] = ("direction", _strings(DIRECTIONS), words)
        data = {name: _directed(name, value, layering) for name, value in data.items()}
        down, up = layering.reach(trace.best)
        data["epsilon_map_directed"] = np.stack([down, up])
        data["epsilon_directed"] = layering.table(trace.best, 1.0)
        data["epsilon"] = data["epsilon_directed"].min(axis=-1)
    return xr.Dataset(
        {name: _variable(name, value, layering.asymmetric) for name, value in data.items()},
        coords=coords,
        attrs=_attributes(problem, trace, provenance),
    )


def _directed(name: str, values: Any, layering: Layering) -> Any:
    """Return the values of a variable, one per radius index, by layer and direction."""
    if name not in DIRECTED:
        return values
    at = VARIABLES[name].dims.index("layer")
    table = layering.table(np.moveaxis(values, at, -1), DIRECTED[name])
    return np.moveaxis(table, (-2, -1), (at, at + 1))


def _answer(problem: Problem, trace: Trace) -> dict[str, Any]:
    count = problem.layering.count
    blocks = [trace.block_of(layer) for layer in range(count)]
    number_of = {id(cut): number for number, cut in enumerate(trace.cuts)}
    scores = np.full((count, problem.network.labels), np.nan)
    blocked = {layer: cut for layer, (_, cut) in enumerate(blocks) if cut is not None}
    images = _stack((cut.witness for cut in blocked.values()), problem.image.shape)
    scores[list(blocked)] = _scores(problem.network, images)
    cuts = [-1 if cut is None else number_of.get(id(cut), -1) for _, cut in blocks]
    answer = {
        "epsilon": trace.best.astype(np.float64),
        "size": problem.size(trace.best),
        "upper_bound": float(trace.upper_bound),
        "objective": float(problem.objective.values(trace.best)),
        "objective_bound": float(trace.objective_bound),
        "floor": trace.floor.astype(np.float64),
        "epsilon_attacked": trace.attacked(),
        "margin_slope": trace.margin_slopes,
        "blocked_by": _strings(block.value for block, _ in blocks),
        "blocking_scores": scores,
        "blocking_cut": np.array(cuts, dtype=np.int32),
        "epsilon_map": problem.layering.spread(trace.best),
    }
    if count * problem.image.size <= Layout.most_witness_values:
        witness = np.full((count, *problem.image.shape), np.nan)
        witness[list(blocked)] = images
        answer["blocking_witness"] = witness
    return answer


def _question(problem: Problem) -> dict[str, Any]:
    layering = problem.layering
    most = np.iinfo(np.int16).max
    return {
        "weight": problem.weights.astype(np.float64),
        "layer_pixels": layering.pixels,
        "layer_distance": layering.distance,
        "layer_index": layering.index.astype(np.int16 if layering.layers <= most else np.int32),
        "object_mask": problem.object_mask.astype(np.int8),
        "image": problem.image.astype(np.float64),
        "scores": forward.scores(problem.network, problem.image[None])[0],
    }


def _search(problem: Problem, trace: Trace) -> dict[str, Any]:
    steps, queries, cuts = trace.steps, trace.queries, trace.cuts
    tallies = [trace.tallies.get(stage, Tally()) for stage in Stage]
    count = problem.layering.count
    witnesses = _stack((cut.witness for cut in cuts), problem.image.shape)
    return {
        "step_epsilon": _stack((step.eps for step in steps), (count,)),
        "step_size": _stack((step.size for step in steps), ()),
        "step_objective": problem.objective.values(_stack((step.eps for step in steps), (count,))),
        "step_verdict": _strings(step.outcome.value for step in steps),
        "step_proof": _strings(step.basis for step in steps),
        "step_seconds": _stack((step.seconds for step in steps), ()),
        "step_note": _strings(move_name(step.move, step.grown, problem.layering) for step in steps),
        **_iterations(trace),
        "query_ask": _strings(query.ask.value for query in queries),
        "query_stage": _strings(query.stage.value for query in queries),
        "query_verdict": _strings(query.outcome.value for query in queries),
        "query_proof": _strings(query.basis for query in queries),
        "query_seconds": _stack((query.seconds for query in queries), ()),
        "query_milp": np.array([query.milp for query in queries], dtype=np.int8),
        "stage_asked": np.array([each.asked for each in tallies]),
        "stage_decided": np.array([each.decided for each in tallies]),
        "stage_seconds": np.array([each.seconds for each in tallies]),
        "witness_image": witnesses,
        "witness_scores": _scores(problem.network, witnesses),
        "cut_extents": _stack((cut.extents for cut in cuts), (count,)),
    }


def _iterations(trace: Trace) -> dict[str, Any]:
    found, count = trace.iterations, trace.radii
    return {
        "iteration_move": _strings(each.move.value for each in found),
        "iteration_verdict": _strings(each.outcome.value for each in found),
        "iteration_epsilon": _stack((each.eps for each in found), (count,)),
        "iteration_margin": _stack((each.margin for each in found), ()),
        "iteration_gradient": _stack((each.gradient for each in found), (count,)),
        "iteration_weight": _stack((each.weights for each in found), (count,)),
        "iteration_lambda": _stack((each.lambda_ for each in found), ()),
        "iteration_seconds": _stack((each.seconds for each in found), ()),
    }


def _attributes(
    problem: Problem, trace: Trace, provenance: Provenance
) -> dict[str, str | int | float]:
    return {
        "Conventions": "CF-1.11",
        "title": f"Maximal robust layered neighborhood: {provenance.name}",
        "mlspec_format": Layout.version,
        **origin_of(problem, provenance),
        "targets": json.dumps([problem.label_names[target] for target in problem.property.targets]),
        "objective": problem.aim,
        "partition": problem.layering.kind.name,
        "stop_reason": RUNNING if trace.stop is None else trace.stop.value,
        "proof": trace.basis,
        "wall_seconds": float(trace.seconds),
        "created": now(),
    }


def origin_of(problem: Problem, provenance: Provenance) -> dict[str, str | int]:
    """Return the attributes that say where a dataset comes from."""
    onnx = np.frombuffer(provenance.classifier_onnx, dtype=np.uint8)
    return {
        "name": provenance.name,
        "spec": provenance.spec_json,
        "decision": json.dumps(_decision(problem.property.rule)),
        "object_label": provenance.object_label,
        "classifier_file": provenance.classifier_file,
        **digests(onnx, problem.image),
        "solver": provenance.solver,
        "seed": int(provenance.seed),
        "versions": json.dumps(dict(provenance.versions), sort_keys=True),
    }


def now() -> str:
    """Return the time as an attribute has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _decision(rule: DecisionRule) -> dict[str, Any]:
    match rule:
        case TopK(k):
            return {"rule": "top_k", "k": k}
        case Threshold(tau):
            return {"rule": "threshold", "tau": list(tau)}
        case _:
            assert_never(rule)


def _scores(network: Network, images: Array, at_once: int = 64) -> Array:
    """Scores ``(N, M)``, of ``at_once`` images at a time: the forward pass holds their windows in
    memory."""
    pieces = [
        forward.scores(network, images[start : start + at_once])
        for start in range(0, len(images), at_once)
    ]
    return np.concatenate([np.empty((0, network.labels)), *pieces])


def _variable(name: str, value: Any, asymmetric: bool) -> xr.Variable:
    entry = VARIABLES[name]
    attrs: dict[str, Any] = {"long_name": entry.long_name, "units": entry.units}
    if entry.flags:
        attrs["flag_values"] = np.arange(len(entry.flags.split()), dtype=np.int8)
        attrs["flag_meanings"] = entry.flags
    return xr.Variable(dims_of(name, asymmetric), value, attrs)


def _words(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}


def _stack(values: Iterable[Any], shape: tuple[int, ...]) -> Array:
    return np.array(list(values), dtype=np.float64).reshape(-1, *shape)


def _strings(values: Iterable[str]) -> NDArray[np.str_]:
    return np.array(list(values), dtype=np.str_)
