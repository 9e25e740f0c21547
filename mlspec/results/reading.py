"""Dataset back to nouns: the parts of a problem that a result holds."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.property import DecisionRule, Property, Threshold, TopK
from mlspec.errors import DataError


def layering_of(ds: xr.Dataset) -> Layering:
    """Return the layers of a result."""
    return Layering(ds["layer_index"].values.astype(np.int16), ds.sizes["layer"])


def neighborhood_of(ds: xr.Dataset) -> Neighborhood:
    """Return the certified neighborhood of a result: image, layers and radii."""
    return Neighborhood(ds["image"].values, layering_of(ds), ds["epsilon"].values)


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
    raise ValueError(f"unknown decision rule {decision}")
