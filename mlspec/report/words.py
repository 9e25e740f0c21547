"""What a result says, in sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import numpy as np
import xarray as xr

from mlspec.core.layering import Layering
from mlspec.core.naming import part_name
from mlspec.core.network import Array
from mlspec.core.objective import WeightedSum
from mlspec.core.trace import Block, StopReason
from mlspec.report.numbers import below, listed
from mlspec.report.reach import object_reach, reach_in_words
from mlspec.report.style import TABLE
from mlspec.results import (
    RUNNING,
    blocking_witness,
    label_names_of,
    layering_of,
    objective_of,
    per_radius,
    property_of,
    ranges,
    value_of,
)


def finding(ds: xr.Dataset) -> str:
    """Return the answer in one sentence."""
    eps = ds["epsilon"].values
    names, thing = target_names(ds), the_object(ds)
    stays = (
        f"label{'s' if len(names) > 1 else ''} {listed(names)} stay{'s' if len(names) == 1 else ''}"
    )
    if not eps.any():
        return (
            f"nothing certified yet: {stays} predicted on the image as it is, and no more is known"
        )
    thing = "the whole image" if layering_of(ds).kind.whole else thing
    down, up = object_reach(ds)
    if min(down, up) >= 1.0:
        sentence = f"{stays} predicted whatever happens to {thing}"
    elif max(down, up) > 0.0:
        change = "change" if " and " in thing else "changes"
        sentence = f"{stays} predicted while {thing} {change} by {reach_in_words(down, up)}"
    else:
        sentence = f"{stays} predicted while the surroundings of {thing} change"
    # What is printed alike is alike.
    alike = below(eps.min()) == below(eps.max())
    return sentence if alike else f"{sentence}; {_weakest(ds)}"


def _weakest(ds: xr.Dataset) -> str:
    eps, layering = ds["epsilon"].values, layering_of(ds)
    one, several = layering.kind.part, layering.kind.parts
    least = below(eps.min())
    weak = [layer for layer, value in enumerate(eps.tolist()) if below(value) == least]
    if weak == [0] and eps[0] > 0.0 and layering.kind.first_is_object and not layering.names:
        return f"every other {one} allows more"
    if len(weak) == 1 and layering.names:
        layers = part_name(replace(layering, radius_of=None), weak[0])
    else:
        layers = f"{one if len(weak) == 1 else several} {ranges(weak)}"
        if layers.count(",") >= TABLE.listed_layers or layering.names:
            layers = f"{len(weak)} of {len(eps)} {several}"
    if eps.min() == 0.0:
        return f"nothing certified for {layers}"
    return f"weakest: {layers} (±{least})"


def stop_words(reason: StopReason, layering: Layering) -> str:
    """Return why a search ended."""
    match reason:
        case StopReason.MAXIMAL:
            return f"no {layering.kind.part} can grow" if layering.count > 1 else "it cannot grow"
        case StopReason.OPTIMAL:
            return "within the gap of the upper bound"
        case StopReason.SECONDS:
            return "budget of seconds spent"
        case StopReason.WORK:
            return "budget of work spent"
        case StopReason.QUERIES:
            return "budget of queries spent"
        case StopReason.INTERRUPTED:
            return "interrupted"
        case StopReason.STALLED:
            return "no larger neighborhood was certified"
        case _:
            assert_never(reason)


def stopped(ds: xr.Dataset) -> str:
    """Return why the search of a result ended, or that it has not."""
    reason = str(ds.attrs["stop_reason"])
    return "still running" if reason == RUNNING else stop_words(StopReason(reason), layering_of(ds))


def proof_of(ds: xr.Dataset) -> str:
    """Return what the certified neighborhood rests on."""
    return str(ds.attrs.get("proof", "not recorded: made by an earlier version of mlspec"))


def kept_floor(ds: xr.Dataset) -> str:
    """Return of which neighborhoods an upper bound speaks: the search keeps layers at a floor."""
    return " above the floor" if ds["floor"].values.any() else ""


def block_of(ds: xr.Dataset, radius: int) -> Block:
    """Return why a radius cannot grow."""
    return Block(str(per_radius(ds, "blocked_by")[radius]))


def attacked(ds: xr.Dataset) -> Array:
    """Return the least value of each radius ``(R,)``, the others as certified, at which a violating
    image is known; NaN where none is."""
    if "epsilon_attacked" not in ds:
        return np.full(layering_of(ds).count, np.nan)
    return per_radius(ds, "epsilon_attacked")


def witness_extent(ds: xr.Dataset, radius: int) -> float:
    """Return how far the blocking witness of a radius moves its pixels, as a pixel intensity."""
    witness = blocking_witness(ds, radius)
    if witness is None:
        return float("nan")
    return float(layering_of(ds).extents(witness - ds["image"].values)[radius])


def target_names(ds: xr.Dataset) -> list[str]:
    """Return the names of the target labels."""
    names = label_names_of(ds)
    return [names[target] for target in property_of(ds).targets]


def predicted_names(ds: xr.Dataset, scores: Array) -> list[str]:
    """Return the names of the labels predicted for ``scores`` ``(M,)``."""
    names = label_names_of(ds)
    predicted = property_of(ds).rule.predicted(scores[None])[0]
    return [names[label] for label in np.flatnonzero(predicted)]


def the_object(ds: xr.Dataset) -> str:
    """Return how to call what the layers surround: ``the 3``, ``the 3 and the 9``, or, if nobody
    knows, ``the object``."""
    label = str(ds.attrs.get("object_label", ""))
    if ", " in label:
        names = label.split(", ")
        return listed([name if name.startswith("object ") else f"the {name}" for name in names])
    if not label:
        targets = target_names(ds)
        others = [name for name in predicted_names(ds, ds["scores"].values) if name not in targets]
        label = others[0] if len(others) == 1 else "object"
    return f"the {label}"


def gap(ds: xr.Dataset) -> float:
    """Return by which share the upper bound of the objective exceeds its value; infinite while that
    is 0.

    For the log-volume, whose value is a geometric mean, it is ``exp(difference / sum w) - 1``.
    """
    value, bound = value_of(ds)
    return bound / value - 1.0 if value > 0.0 else float("inf")


def value_name(ds: xr.Dataset) -> str:
    """Return how to call the value of a result by its objective: ``size w·ε``, ``max_min: min
    ε/w``."""
    objective = objective_of(ds)
    symbol = objective.symbol.replace("eps", "ε")
    return f"size {symbol}" if objective.name == WeightedSum.name else f"{objective.name}: {symbol}"
