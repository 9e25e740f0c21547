"""Results for other programs: JSON with every number of the tables, CSV with a row per epsilon."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

import numpy as np
import xarray as xr

from mlspec.core.layering import DIRECTIONS, Layering
from mlspec.core.trace import Ask
from mlspec.report.explanation import explain
from mlspec.report.words import attacked, finding, gap, proof_of, target_names
from mlspec.results import aim_of, eps_of, layering_of, per_radius, value_of


def as_json(results: Sequence[xr.Dataset], files: Sequence[str]) -> str:
    """Return a JSON list with one object per result; numbers are not rounded, and what is infinite
    or not known is null."""
    objects = [record(ds, file) for ds, file in zip(results, files, strict=True)]
    return json.dumps(objects, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(results: Sequence[xr.Dataset], files: Sequence[str]) -> str:
    """Return a table with a heading and a row for every epsilon of every result; what is not known
    is empty."""
    rows = [
        {"file": file, **row}
        for ds, file in zip(results, files, strict=True)
        for row in epsilons(ds)
    ]
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def record(ds: xr.Dataset, file: str) -> dict[str, Any]:
    """Return everything that the tables of ``mlspec show`` say of a result."""
    value, bound = value_of(ds)
    asks = ds["query_ask"].values
    return {
        "file": file,
        "name": str(ds.attrs["name"]),
        "finding": finding(ds),
        "explanation": explain(ds),
        "classifier": str(ds.attrs["classifier_file"]),
        "targets": target_names(ds),
        "decision": json.loads(ds.attrs["decision"]),
        "objective": aim_of(ds),
        "value": _number(value),
        "upper_bound": _number(bound),
        "gap": _number(gap(ds)),
        "size": _number(float(ds["size"])),
        "proof": proof_of(ds),
        "stop_reason": str(ds.attrs["stop_reason"]),
        "wall_seconds": _number(float(ds.attrs["wall_seconds"])),
        "solver": str(ds.attrs["solver"]),
        "seed": int(ds.attrs["seed"]),
        "partition": layering_of(ds).kind.name,
        "epsilons": list(epsilons(ds)),
        "queries": {ask.value: int(np.count_nonzero(asks == ask.value)) for ask in Ask},
        "queries_with_milp": int(ds["query_milp"].sum()),
    }


def epsilons(ds: xr.Dataset) -> Iterator[dict[str, Any]]:
    """Yield each certified epsilon with its layer and why it cannot grow.

    ``direction`` is ``both`` unless the layers of the result have an epsilon for each direction.
    """
    layering, eps = layering_of(ds), eps_of(ds)
    most, weights, blocks = attacked(ds), per_radius(ds, "weight"), per_radius(ds, "blocked_by")
    ways = ["both"] * layering.count
    if layering.radius_of is not None:
        _, directions = np.nonzero(layering.radius_of != Layering.NO_RADIUS)
        ways = [DIRECTIONS[direction] for direction in directions]
    for r, layer in enumerate(layering.layer_of.tolist()):
        yield {
            "layer": layer,
            "name": layering.layer_names[layer],
            "direction": ways[r],
            "distance": int(layering.distance[layer]),
            "pixels": int(layering.pixels[layer]),
            "weight": _number(float(weights[r])),
            "epsilon": _number(float(eps[r])),
            "blocked_by": str(blocks[r]),
            "violated_at": _number(float(most[r])),
        }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
