"""Cases as JSON files: every number of a case, so that it outlives the generator it came from."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from strategies import problem_of

from mlspec.core.layering import Layering
from mlspec.core.network import Network
from mlspec.core.property import Property, Threshold, TopK
from mlspec.ops.registry import OPERATIONS
from mlspec.rounding import EXACT
from soundness.asking import Answer, Mode
from soundness.cases import Case


def save(case: Case, answer: Answer, path: Path) -> None:
    """Write ``case`` and what was answered."""
    problem = case.problem
    rule = problem.property.rule
    record = {
        "answer": asdict(answer),
        "seed": case.seed,
        "family": case.family,
        "kind": case.kind,
        "width": case.width,
        "margin": str(case.margin),
        "floor": None if case.floor is None else str(case.floor),
        "image": case.image.tolist(),
        "eps": case.eps.tolist(),
        "centre": problem.image.tolist(),
        "layers": problem.layering.index.tolist(),
        "rule": {"k": rule.k} if isinstance(rule, TopK) else {"tau": rule.tau},
        "target": problem.property.targets[0],
        "inputs": problem.network.inputs,
        "ops": [_written(op) for op in problem.network.ops],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n")


def load(path: Path) -> tuple[Case, Answer]:
    """Return what ``save`` wrote."""
    record = json.loads(path.read_text())
    centre, index = np.array(record["centre"]), np.array(record["layers"], dtype=np.int16)
    inputs = tuple(tuple(values) for values in record["inputs"])
    network = Network(tuple(_read(op) for op in record["ops"]), centre.shape, inputs)
    rule = record["rule"]
    decides = TopK(rule["k"]) if "k" in rule else Threshold(tuple(rule["tau"]))
    property_ = Property(decides, (record["target"],), network.labels)
    problem = problem_of(network, centre, Layering(index, int(index.max()) + 1), property_)
    case = Case(
        seed=record["seed"],
        family=record["family"],
        kind=record["kind"],
        width=record["width"],
        problem=problem,
        eps=np.array(record["eps"]),
        image=np.array(record["image"]),
        margin=Fraction(record["margin"]),
        floor=None if record["floor"] is None else Fraction(record["floor"]),
    )
    answer = record["answer"]
    return case, Answer(**{**answer, "mode": Mode(answer["mode"])})


def _written(op: Any) -> dict[str, Any]:
    values = {item.name: getattr(op, item.name) for item in fields(op)}
    if values.pop("error", EXACT) != EXACT:
        raise ValueError(f"{type(op).__name__} is not as it was read")
    plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}
    return {"op": type(op).__name__, **plain}


def _read(record: dict[str, Any]) -> Any:
    (kind,) = (each for each in OPERATIONS if each.__name__ == record["op"])
    values = {name: value for name, value in record.items() if name != "op"}
    for name, value in values.items():
        if name in ("weight", "bias"):
            values[name] = np.array(value, dtype=np.float64)
        elif name == "index":
            values[name] = np.array(value, dtype=np.int64)
        elif isinstance(value, list):
            values[name] = tuple(value)
    return kind(**values)
