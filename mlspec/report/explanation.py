"""What a result means, in a few sentences made from its data alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mlspec.core.naming import part_name
from mlspec.core.network import Array
from mlspec.core.trace import Block, StopReason
from mlspec.report.labels import label_change
from mlspec.report.numbers import above, below, listed, percent
from mlspec.report.style import TABLE
from mlspec.report.words import finding, stop_words, value_name
from mlspec.results import (
    RUNNING,
    eps_of,
    layering_of,
    margin_shares_of,
    per_radius,
    ranges,
    value_of,
)


def explain(ds: xr.Dataset) -> str:
    """Return what a result says: what was reached and how far the object may change, what breaks
    first, which layers use up the margin and which are free, and what limits the answer."""
    sentences = [headline(ds), *reasons(ds)]
    return " ".join(f"{each[:1].upper()}{each[1:]}." for each in sentences)


def headline(ds: xr.Dataset) -> str:
    """Return the answer in one sentence, led by the value of what was maximised: that never falls
    with more time, while the epsilon of one layer may."""
    value = value_of(ds)[0]
    if not value > 0.0:
        return finding(ds)
    return f"{value_name(ds)} = {below(value, 4)}: {finding(ds)}"


def reasons(ds: xr.Dataset) -> list[str]:
    """Return the sentences that explain the headline, as far as the data have them."""
    if not eps_of(ds).any():
        return []
    return [each for each in (breaking(ds), spending(ds), limit(ds)) if each]


def breaking(ds: xr.Dataset) -> str:
    """Return what breaks first: the labels lost in the nearest violating image beyond the
    neighborhood, and the layers by which it leaves it; empty where none is known."""
    eps, extents = eps_of(ds), per_radius(ds, "cut_extents")
    if not extents.shape[1]:
        return ""
    growth = np.maximum(extents - eps[:, None], 0.0)
    nearest = int(np.argmin(growth.max(axis=0)))
    beyond = np.flatnonzero(growth[:, nearest] > 0.0)
    change = label_change(ds, ds["witness_scores"].values[nearest])
    if len(beyond) == 1:
        (r,) = beyond.tolist()
        moves = (
            f"{part_name(layering_of(ds), r)} moves by {above(extents[r, nearest], 3)} instead of "
            f"{below(eps[r], 3)}"
        )
    else:
        most = above(growth[:, nearest].max(), 2)
        moves = f"{_parts(ds, beyond)} move by up to {most} beyond their epsilons"
    return f"first to break: {change.cause}, when {moves}"


def spending(ds: xr.Dataset) -> str:
    """Return which layers use up the margin, and which are free; empty where it is not known."""
    shares = margin_shares_of(ds)
    if shares is None or len(shares) < 2:
        return ""
    layering = layering_of(ds)
    order = np.argsort(-shares, kind="stable")
    named = [r for r in order[: TABLE.named_shares].tolist() if shares[r] >= TABLE.free_share]
    most = listed([f"{part_name(layering, r)} ({percent(shares[r])})" for r in named])
    rest = np.flatnonzero(shares < TABLE.free_share)
    said = f"the margin is used up by {most}"
    if not len(rest):
        return said
    if len(rest) == 1:
        return f"{said}; {_parts(ds, rest)} is nearly free ({percent(shares[rest].sum())})"
    together = percent(shares[rest].sum())
    return f"{said}; {_parts(ds, rest)} are nearly free ({together} together)"


def limit(ds: xr.Dataset) -> str:
    """Return what keeps the neighborhood from being larger: images, caps, or the search's end."""
    reason, blocks = str(ds.attrs["stop_reason"]), per_radius(ds, "blocked_by")
    counts = {block: int((blocks == block.value).sum()) for block in Block}
    parts, all_ = layering_of(ds).kind.parts, len(blocks)
    if reason == RUNNING:
        return "the search still runs"
    if not counts[Block.BUDGET]:
        if all_ == 1:
            return "it cannot grow"
        capped = f" ({counts[Block.CAP]} at the cap)" if counts[Block.CAP] else ""
        return f"no {layering_of(ds).kind.part} can grow alone{capped}"
    ended = stop_words(StopReason(reason), layering_of(ds))
    known = f"{all_ - counts[Block.BUDGET]} of {all_} {parts}"
    if StopReason(reason) in _OUT_OF_TIME:
        return f"limited by time: {known} known to be maximal ({ended})"
    return f"known to be maximal: {known} ({ended})"


_OUT_OF_TIME: Final = (StopReason.SECONDS, StopReason.WORK, StopReason.INTERRUPTED)
"""More time would have told more."""


def changes(first: xr.Dataset, second: xr.Dataset) -> Array | None:
    """Return by how much each epsilon ``(R,)`` of the second result is larger; None where the
    layers of the two do not correspond."""
    one, other = layering_of(first), layering_of(second)
    alike = one.kind == other.kind and one.layer_names == other.layer_names
    if not alike or one.count != other.count:
        return None
    return np.asarray(eps_of(second) - eps_of(first))


def difference_lines(results: Sequence[xr.Dataset], names: Sequence[str]) -> list[str]:
    """Return what the second of two results changes against the first, layer by layer, the largest
    change first; nothing where their layers do not correspond."""
    first, second = results
    gained = changes(first, second)
    if gained is None:
        return []
    before, after, layering = eps_of(first), eps_of(second), layering_of(first)
    order = [r for r in np.argsort(-np.abs(gained), kind="stable").tolist() if gained[r]]
    lines = [f"{names[1]} against {names[0]}, the largest change first:"]
    for r in order[: TABLE.listed_changes]:
        lines.append(
            f"  {part_name(layering, r)}: ±{below(before[r], 3)} → ±{below(after[r], 3)}"
            f" ({_factor(before[r], after[r])})"
        )
    if not order:
        return [f"{names[1]} and {names[0]} certify the same epsilons."]
    left = len(order) - TABLE.listed_changes
    if left > 0:
        up = int((gained[order[TABLE.listed_changes :]] > 0.0).sum())
        lines.append(f"  and {left} more: {up} larger, {left - up} smaller")
    return lines


def _factor(before: float, after: float) -> str:
    return f"{after / before:.2f} ×" if before > 0.0 else "from nothing"


def _parts(ds: xr.Dataset, radii: NDArray[np.intp]) -> str:
    """Return how to call several radii: their numbers where layers have no more than that."""
    layering, kind = layering_of(ds), layering_of(ds).kind
    numbers = [int(r) for r in radii]
    if layering.names or layering.asymmetric:
        if len(numbers) <= TABLE.listed_layers:
            return listed([part_name(layering, r) for r in numbers])
        return f"{len(numbers)} of {layering.count} epsilons"
    if len(numbers) == layering.count:
        return f"all {kind.parts}"
    runs = ranges(numbers)
    if runs.count(",") >= TABLE.listed_layers:
        return f"{len(numbers)} of {layering.count} {kind.parts}"
    return f"{kind.part if len(numbers) == 1 else kind.parts} {runs}"
