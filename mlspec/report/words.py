"""What a result says, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from mlspec.core.network import Array
from mlspec.core.trace import Block
from mlspec.results import label_names_of, layering_of, property_of


def finding(ds: xr.Dataset) -> str:
    """Return the answer in one sentence."""
    eps = ds["epsilon"].values
    targets = listed(target_names(ds))
    stays = f"label {targets} stays" if len(target_names(ds)) == 1 else f"labels {targets} stay"
    if not eps.any():
        return f"no change at all is certified yet: {stays} predicted on the image itself"
    moves = f"{stays} predicted while {the_object(ds)} moves by up to {radius(eps[0])}"
    if len(eps) == 1:
        return moves
    weak, strong = int(eps.argmin()), int(eps.argmax())
    return f"{moves}; weakest: layer {weak} ({radius(eps[weak])}), strongest: layer {strong} ({radius(eps[strong])})"


def blocking(ds: xr.Dataset, layer: int) -> str:
    """Return why ``layer`` cannot grow, in one sentence."""
    block = Block(str(ds["blocked_by"].values[layer]))
    if block is Block.CAP:
        return f"layer {layer} is free: its pixels may take any value"
    scores = ds["blocking_scores"].values[layer]
    if block is Block.BUDGET or np.isnan(scores).any():
        return f"layer {layer}: the search ended before it knew whether more is possible"
    limit = witness_extent(ds, layer)
    return f"layer {layer} cannot reach {number(limit)}: {misreading(ds, scores)}"


def misreading(ds: xr.Dataset, scores: Array) -> str:
    """Return what the classifier reads in an image with ``scores`` ``(M,)``."""
    before, after = _predicted(ds, ds["scores"].values), _predicted(ds, scores)
    lost = [name for name in before if name not in after]
    gained = [name for name in after if name not in before]
    if len(lost) == 1 and len(gained) == 1:
        return f"the classifier then reads the {lost[0]} as {gained[0]}"
    if not lost:
        return "the classifier is then undecided"
    seen = f"it reads {listed(after)}" if after else "it reads nothing"
    return f"the classifier then loses {listed(lost)}: {seen}"


def witness_extent(ds: xr.Dataset, layer: int) -> float:
    """Return how far the blocking witness of ``layer`` moves that layer, as a pixel intensity."""
    change = ds["blocking_witness"].values[layer] - ds["image"].values
    return float(layering_of(ds).extents(change)[layer])


def target_names(ds: xr.Dataset) -> list[str]:
    """Return the names of the target labels."""
    names = label_names_of(ds)
    return [names[target] for target in property_of(ds).targets]


def the_object(ds: xr.Dataset) -> str:
    """Return how to call the perturbed object: ``the 3``, or ``the object`` if nobody knows."""
    label = str(ds.attrs.get("object_label", ""))
    if not label:
        others = [name for name in _predicted(ds, ds["scores"].values) if name not in target_names(ds)]
        label = others[0] if len(others) == 1 else "object"
    return f"the {label}"


def gap(ds: xr.Dataset) -> float:
    """Return ``upper_bound / size - 1``; infinite while nothing is certified."""
    size, bound = float(ds["size"]), float(ds["upper_bound"])
    return bound / size - 1.0 if size > 0.0 else float("inf")


def number(value: float, digits: int = 3) -> str:
    """Return ``value`` with ``digits`` significant digits and never as ``1e-05``-like text below 1."""
    if value == 0.0 or not np.isfinite(value):
        return "0" if value == 0.0 else str(value)
    decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{min(decimals, 8)}f}"


def radius(value: float) -> str:
    """Return a radius as text: ``±0.013``; 0 and 1 by what they mean."""
    if value >= 1.0:
        return "any amount"
    return f"±{number(value, 2)}" if value > 0.0 else "nothing"


def duration(seconds: float) -> str:
    """Return a time as text: ``0.4 s``, ``12 s``, ``4 min 05 s``, ``1 h 02 min``."""
    if seconds < 10.0:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def listed(words: Sequence[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])


def counted(names: Iterable[str]) -> str:
    """Return how often each name occurs: ``3 crown, 1 milp``."""
    values, counts = np.unique(np.array(list(names), dtype=np.str_), return_counts=True)
    return ", ".join(f"{count} {value}" for value, count in zip(values, counts, strict=True)) or "none"


def _predicted(ds: xr.Dataset, scores: Array) -> list[str]:
    names = label_names_of(ds)
    predicted = property_of(ds).rule.predicted(scores[None])[0]
    return [names[label] for label in np.flatnonzero(predicted)]
