"""The panels that are curves: value over time, epsilon over layers."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mlspec.core.layering import DIRECTIONS, FIXED, Layering
from mlspec.core.network import Array
from mlspec.core.objective import WeightedSum
from mlspec.core.verdict import Outcome
from mlspec.report.numbers import above, below, near
from mlspec.report.palette import (
    BLOCKS,
    INK,
    MUTED,
    NORMAL,
    OUTCOMES,
    SMALL,
    as_plot,
    log_ticks,
    title,
)
from mlspec.report.parts import noun
from mlspec.report.pictures import radius_range
from mlspec.report.words import value_name
from mlspec.results import aim_of, layering_of, per_radius, radii_of, value_of

_MOST_BARS = 48
"""More boxes or pixels than this become points."""
_MOST_TICKS = 14
"""Numbers of layers at the axis, of all objects together."""
_BESIDE = 0.21
"""How far the bars of a layer's two directions stand from its place."""
_WIDE = 30.0
"""Sizes that differ by more than this factor are drawn on a logarithmic axis."""


def search_panel(axes: Axes, ds: xr.Dataset, letter: str) -> None:
    """The panel of the value certified over time, and every neighborhood tried."""
    plain = aim_of(ds) == WeightedSum.name
    sizes = ds["step_size" if plain else "step_objective"].values
    seconds = ds["step_seconds"].values
    verdicts = ds["step_verdict"].values
    title(axes, letter, f"{'Size' if plain else 'Value'} of the neighborhood over time")
    as_plot(axes)
    axes.set_xlabel("time (s)", fontsize=NORMAL)
    axes.set_ylabel(value_name(ds), fontsize=NORMAL)
    size, bound = value_of(ds)
    end = max(float(ds.attrs["wall_seconds"]), *seconds.tolist(), 1.0)
    robust = verdicts == Outcome.ROBUST.value
    best = np.maximum.accumulate(np.where(robust, sizes, 0.0)) if len(sizes) else sizes
    axes.step(
        [0.0, *seconds, end],
        [0.0, *best, size],
        where="post",
        color=INK,
        linewidth=1.8,
        label="certified",
        zorder=2,
    )
    for outcome, (color, marker) in OUTCOMES.items():
        mine = verdicts == outcome.value
        if mine.any():
            axes.scatter(
                seconds[mine],
                sizes[mine],
                s=26,
                c=color,
                marker=marker,
                linewidths=1.3,
                label=f"tried: {outcome.value}",
                zorder=3,
                clip_on=False,
            )
    positive = [value for value in [*sizes, size] if value > 0.0]
    top = max(positive, default=1.0)
    if positive and top / min(positive) > _WIDE:
        axes.set_yscale("log")
        axes.set_ylim(min(positive) / 1.5, top * 1.6)
    else:
        axes.set_ylim(0.0, 1.12 * top)
    axes.set_xlim(0.0, end * 1.01)
    _bound_line(axes, bound)
    _legend(axes)
    axes.annotate(
        below(size, 3),
        (1.0, size),
        xycoords=axes.get_yaxis_transform(),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=NORMAL,
        fontweight="bold",
        color=INK,
    )


def _bound_line(axes: Axes, bound: float) -> None:
    low, high = axes.get_ylim()
    if not np.isfinite(bound):
        return
    if bound <= 1.6 * high:
        axes.axhline(
            bound,
            color=MUTED,
            linewidth=1.1,
            linestyle=(0, (5, 3)),
            label=f"upper bound {above(bound, 3)}",
        )
        axes.set_ylim(low, max(high, 1.08 * bound))
    else:
        axes.plot([], [], " ", label=f"upper bound {above(bound, 3)} (off the axis)")


def layer_radius_panel(axes: Axes, ds: xr.Dataset, letter: str) -> None:
    """The panel of the certified radius of each layer, coloured by what keeps it from growing.

    Many boxes or pixels are points over their distance from the object.
    """
    layering, eps, blocks = layering_of(ds), radii_of(ds), per_radius(ds, "blocked_by")
    one = noun(layering)
    title(axes, letter, f"Certified epsilon of {'the' if one == 'image' else 'each'} {one}")
    as_plot(axes)
    axes.set_yscale("log")
    low, high = radius_range(eps)
    small = eps < low
    floor = low / (2.2 if small.any() else 1.4)
    axes.set_ylim(floor, high * 1.5)
    log_ticks(axes.yaxis, *axes.get_ylim())
    points = layering.kind in ("grid", "pixels") and layering.layers > _MOST_BARS
    if points:
        _points(axes, layering, np.maximum(eps, floor), blocks)
    else:
        _bars(axes, layering, eps, blocks, low, floor)
    _name_ticks(axes, layering)
    axes.set_xlabel(_x_label(layering, points), fontsize=NORMAL)
    axes.set_ylabel("ε, pixel intensity in [0, 1]", fontsize=NORMAL)
    _legend(axes, f"what keeps the {one} from growing:")


def _name_ticks(axes: Axes, layering: Layering) -> None:
    """Number the bars as the tables do: those of each object from 0 on."""
    if layering.kind == "whole":
        ways = DIRECTIONS if layering.asymmetric else ()
        axes.set_xticks([-_BESIDE, _BESIDE][: len(ways)], ways)
    elif _by_object(layering):
        numbers = [int(name.rpartition(" ")[2]) for name in layering.layer_names]
        every = -(-len(numbers) // _MOST_TICKS)
        shown = [place for place, number in enumerate(numbers) if number % every == 0]
        axes.set_xticks(shown, [str(numbers[place]) for place in shown])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9, min_n_ticks=1))


def _by_object(layering: Layering) -> bool:
    """Say whether each of several objects has layers, or groups, of its own."""
    return layering.kind in ("layers", "groups") and bool(layering.names)


def _x_label(layering: Layering, points: bool) -> str:
    if points:
        return "distance from the object (pixels)"
    if layering.kind == "whole":
        return ""
    within = {"layers": "0 is the object", "groups": "as listed in the spec"}.get(
        layering.kind, "from the object outwards"
    )
    if _by_object(layering):
        within = "of one object after the other"
    sides = "; left: down, right: up (hatched)" if layering.asymmetric else ""
    return f"{noun(layering)} ({within}{sides})"


def _bars(
    axes: Axes,
    layering: Layering,
    eps: Array,
    blocks: NDArray[np.str_],
    low: float,
    floor: float,
) -> None:
    """One bar per radius; those of a layer's directions stand beside each other."""
    places, width = layering.layer_of.astype(np.float64), 0.84
    up = np.zeros(layering.count, dtype=bool)
    if layering.radius_of is not None:
        width = 2 * _BESIDE
        up = np.nonzero(layering.radius_of != FIXED)[1] == 1
        places += np.where(up, _BESIDE, -_BESIDE)
    for block, (color, words) in BLOCKS.items():
        mine = blocks == block.value
        if mine.any():
            height = np.maximum(eps[mine], floor) - floor
            bars = axes.bar(places[mine], height, width, bottom=floor, color=color, label=words)
            for number in np.flatnonzero(up[mine]):
                bars.patches[number].set(hatch="////", edgecolor="white", linewidth=0.0)
    for radius in np.flatnonzero(eps < low):
        axes.annotate(
            near(eps[radius], 1),
            (places[radius], floor),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            rotation=90 if eps[radius] > 0.0 else 0,
            fontsize=SMALL,
            color=INK,
        )
    if _by_object(layering):
        _name_objects(axes, layering)
    axes.set_xlim(-0.8, layering.layers - 0.2)


def _name_objects(axes: Axes, layering: Layering) -> None:
    """Part the layers of several objects, and name the objects above."""
    owners = [name.partition(":")[0] for name in layering.layer_names]
    for first, owner in enumerate(owners):
        if first and owner == owners[first - 1]:
            continue
        place = (first - 0.4, 0.97)
        axes.text(
            *place,
            f"around {owner}",
            transform=axes.get_xaxis_transform(),
            va="top",
            fontsize=SMALL,
        )
        if first:
            axes.axvline(first - 0.5, color=MUTED, linewidth=0.8)


def _points(axes: Axes, layering: Layering, eps: Array, blocks: NDArray[np.str_]) -> None:
    distance = layering.distance[layering.layer_of].astype(np.float64)
    # Points of the same distance would cover each other: they are spread a little.
    place = distance + np.random.default_rng(0).uniform(-0.35, 0.35, len(distance))
    for block, (color, words) in reversed(BLOCKS.items()):
        mine = blocks == block.value
        if mine.any():
            axes.scatter(
                place[mine], eps[mine], s=12, c=color, label=words, alpha=0.6, linewidths=0.0
            )
    axes.set_xlim(-0.8, distance.max() + 0.8)


def _legend(axes: Axes, heading: str | None = None) -> None:
    """Name the colours below the plot, where they cover nothing."""
    axes.legend(
        title=heading,
        title_fontsize=SMALL,
        fontsize=SMALL,
        frameon=False,
        ncols=3,
        loc="upper left",
        bbox_to_anchor=(0.0, -0.16),
        borderaxespad=0.0,
        alignment="left",
        columnspacing=1.4,
        handletextpad=0.6,
    )
