"""Dataset back to nouns: the parts of a problem that a result holds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.objective import OBJECTIVES, Objective, WeightedSum
from mlspec.core.partitions import LAYERS, PARTITIONS
from mlspec.core.property import DecisionRule, Property, Threshold, TopK
from mlspec.errors import DataError


def layering_of(ds: xr.Dataset) -> Layering:
    """Return the layers of a result; raises DataError where their kind is not known."""
    names = ds["layer_name"].values.tolist() if "layer_name" in ds.coords else ()
    kind = str(ds.attrs.get("partition", LAYERS.name))
    if kind not in PARTITIONS:
        raise DataError(f"the attribute 'partition' is {kind!r}; known: {', '.join(PARTITIONS)}")
    layering = Layering(
        ds["layer_index"].values.astype(np.int64),
        ds.sizes["layer"],
        PARTITIONS[kind],
        tuple(names),
        ds["layer_distance"].values.astype(np.int64) if "layer_distance" in ds else None,
    )
    return layering.directed(ds["image"].values) if is_asymmetric(ds) else layering


def is_asymmetric(ds: xr.Dataset) -> bool:
    """Say whether the layers of a result have an epsilon for each direction."""
    return "direction" in ds.dims


def eps_of(ds: xr.Dataset) -> Array:
    """Return the certified epsilons ``(R,)`` of a result."""
    return np.asarray(per_radius(ds, "epsilon_directed" if is_asymmetric(ds) else "epsilon"))


def per_radius(ds: xr.Dataset, name: str) -> NDArray[Any]:
    """Return a variable with a value for every radius index of ``layering_of(ds)``, that dimension
    first: ``(R, ...)``."""
    if not is_asymmetric(ds):
        return np.asarray(ds[name].transpose("layer", ...).values)
    table = ds[name].transpose(..., "layer", "direction").values
    return np.moveaxis(layering_of(ds).radii(table), -1, 0)


def blocking_witness(ds: xr.Dataset, r: int) -> Array | None:
    """Return the violating image ``(C, H, W)`` that keeps the epsilon of radius index ``r`` from
    growing; None if there is none."""
    if np.isnan(per_radius(ds, "blocking_scores")[r]).any():
        return None
    if "blocking_witness" in ds:
        return np.asarray(per_radius(ds, "blocking_witness")[r])
    number = int(per_radius(ds, "blocking_cut")[r])
    return np.asarray(ds["witness_image"].values[number]) if number >= 0 else None


def sensitivities_of(ds: xr.Dataset) -> Array | None:
    """Return how much of the certified margin each epsilon costs, per unit of it, ``(R,)``; None
    where the result does not say."""
    if "margin_slope" not in ds:
        return None
    costs = -per_radius(ds, "margin_slope")
    return np.maximum(costs, 0.0) if np.isfinite(costs).all() else None


def margin_shares_of(ds: xr.Dataset) -> Array | None:
    """Return the share of the margin that each epsilon uses up, ``(R,)``, by the linearised margin:
    sensitivity times epsilon over their sum; None where the result does not say."""
    costs = sensitivities_of(ds)
    if costs is None:
        return None
    used = costs * eps_of(ds)
    return used / used.sum() if used.any() else None


def neighborhood_of(ds: xr.Dataset) -> Neighborhood:
    """Return the certified neighborhood of a result: image, layers and epsilons."""
    return Neighborhood(ds["image"].values, layering_of(ds), eps_of(ds))


def aim_of(ds: xr.Dataset) -> str:
    """Return the name of the objective of a result."""
    return str(ds.attrs.get("objective", WeightedSum.name))


def objective_of(ds: xr.Dataset) -> Objective:
    """Return what the search that made a result maximised."""
    return OBJECTIVES[aim_of(ds)](per_radius(ds, "weight"))


def value_of(ds: xr.Dataset) -> tuple[float, float]:
    """Return the value of a result by its objective, and an upper bound of what is possible."""
    if aim_of(ds) == WeightedSum.name:
        return float(ds["size"]), float(ds["upper_bound"])
    return float(ds["objective"]), float(ds["objective_bound"])


def property_of(ds: xr.Dataset) -> Property:
    """Return what a result certifies: its target labels and decision rule.

    Raises DataError when the attributes that say so are damaged.
    """
    names = label_names_of(ds)
    try:
        targets = tuple(names.index(name) for name in json.loads(ds.attrs["targets"]))
        return Property(_rule(json.loads(ds.attrs["decision"])), targets, len(names))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"the attributes 'targets' and 'decision' are damaged: {error}") from error


def label_names_of(ds: xr.Dataset) -> tuple[str, ...]:
    """Return the names of the labels, in the order of the scores."""
    return tuple(str(name) for name in ds["label"].values)


def _rule(decision: dict[str, object]) -> DecisionRule:
    match decision:
        case {"rule": "top_k", "k": int(k)}:
            return TopK(k)
        case {"rule": "threshold", "tau": list(tau)}:
            return Threshold(tuple(float(value) for value in tau))
        case _:
            raise ValueError(f"unknown decision rule {decision}")
