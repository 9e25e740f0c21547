"""The panel of epsilons: a bar for each layer, or points over their distance."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mlspec.core.layering import DIRECTIONS, Layering
from mlspec.core.network import Array
from mlspec.core.trace import Block
from mlspec.report.drawing import as_plot, legend_below, log_ticks, title, whole_numbers
from mlspec.report.numbers import near
from mlspec.report.pictures import epsilon_range
from mlspec.report.style import FIGURE
from mlspec.report.words import attacked
from mlspec.results import eps_of, layering_of, per_radius


def layer_epsilon_panel(axes: Axes, ds: xr.Dataset, letter: str) -> None:
    """The panel of the certified epsilon of each layer, coloured by what keeps it from growing.

    Where that is not known a line ends where a violating image is. Many boxes or pixels are points
    over their distance from the object.
    """
    layering, eps, blocks = layering_of(ds), eps_of(ds), per_radius(ds, "blocked_by")
    most = np.where(blocks == Block.BUDGET.value, attacked(ds), np.nan)
    one = layering.kind.part
    title(axes, letter, f"Certified epsilon of {'the' if layering.kind.whole else 'each'} {one}")
    as_plot(axes)
    axes.set_yscale("log")
    low, high = epsilon_range(eps)
    small = eps < low
    floor = low / (2.2 if small.any() else 1.4)
    axes.set_ylim(floor, np.nanmax([high, *most]) * 1.5)
    log_ticks(axes.yaxis, *axes.get_ylim())
    points = layering.kind.located and layering.layers > FIGURE.most_bars
    if points:
        places = _points(axes, layering, np.maximum(eps, floor), blocks)
    else:
        places = _bars(axes, layering, eps, blocks, low, floor)
    _ends(axes, places, np.maximum(eps, floor), most)
    _name_ticks(axes, layering)
    axes.set_xlabel(_x_label(layering, points), fontsize=FIGURE.normal)
    axes.set_ylabel("ε, pixel intensity in [0, 1]", fontsize=FIGURE.normal)
    legend_below(axes, f"what keeps the {one} from growing:")


def _ends(axes: Axes, places: Array, eps: Array, most: Array) -> None:
    """Draw lines from the certified to the attacked epsilons, where ``most`` is not NaN."""
    known = np.isfinite(most)
    if known.any():
        up = np.maximum(most - eps, 0.0)[known]
        axes.errorbar(
            places[known],
            eps[known],
            (np.zeros_like(up), up),
            fmt="none",
            ecolor=FIGURE.colours.muted,
            elinewidth=0.8,
            capsize=2.5,
            label="at most: an image violates there",
        )


def _name_ticks(axes: Axes, layering: Layering) -> None:
    """Number the bars as the tables do: those of each object from 0 on."""
    if layering.kind.whole:
        ways = DIRECTIONS if layering.asymmetric else ()
        axes.set_xticks([-FIGURE.half_bar, FIGURE.half_bar][: len(ways)], ways)
    elif layering.owners:
        numbers = [int(name.rpartition(" ")[2]) for name in layering.layer_names]
        every = -(-len(numbers) // FIGURE.most_ticks)
        shown = [place for place, number in enumerate(numbers) if number % every == 0]
        axes.set_xticks(shown, [str(numbers[place]) for place in shown])
    else:
        whole_numbers(axes.xaxis, 9)


def _x_label(layering: Layering, points: bool) -> str:
    if points:
        return "distance from the object (pixels)"
    if layering.kind.whole:
        return ""
    within = "of one object after the other" if layering.owners else layering.kind.order
    sides = "; left: down, right: up (hatched)" if layering.asymmetric else ""
    return f"{layering.kind.part} ({within}{sides})"


def _bars(
    axes: Axes,
    layering: Layering,
    eps: Array,
    blocks: NDArray[np.str_],
    low: float,
    floor: float,
) -> Array:
    """One bar per epsilon; those of a layer's directions stand beside each other. Returns where
    they stand."""
    places, width = layering.layer_of.astype(np.float64), FIGURE.bar_width
    up = np.zeros(layering.count, dtype=bool)
    if layering.radius_of is not None:
        width = 2 * FIGURE.half_bar
        up = np.nonzero(layering.radius_of != Layering.NO_RADIUS)[1] == 1
        places += np.where(up, FIGURE.half_bar, -FIGURE.half_bar)
    for block, (color, words) in FIGURE.blocks.items():
        mine = blocks == block.value
        if mine.any():
            height = np.maximum(eps[mine], floor) - floor
            bars = axes.bar(places[mine], height, width, bottom=floor, color=color, label=words)
            for number in np.flatnonzero(up[mine]):
                bars.patches[number].set(hatch="////", edgecolor="white", linewidth=0.0)
    for r in np.flatnonzero(eps < low):
        axes.annotate(
            near(eps[r], 1),
            (places[r], floor),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            rotation=90 if eps[r] > 0.0 else 0,
            fontsize=FIGURE.small,
            color=FIGURE.colours.ink,
        )
    if layering.owners:
        _name_objects(axes, layering)
    axes.set_xlim(-0.8, layering.layers - 0.2)
    return places


def _name_objects(axes: Axes, layering: Layering) -> None:
    """Part the layers of several objects, and name the objects above."""
    owners = layering.owners
    for first, owner in enumerate(owners):
        if first and owner == owners[first - 1]:
            continue
        place = (first - 0.4, 0.97)
        axes.text(
            *place,
            f"around {owner}",
            transform=axes.get_xaxis_transform(),
            va="top",
            fontsize=FIGURE.small,
        )
        if first:
            axes.axvline(first - 0.5, color=FIGURE.colours.muted, linewidth=0.8)


def _points(axes: Axes, layering: Layering, eps: Array, blocks: NDArray[np.str_]) -> Array:
    """One point per epsilon. Returns where they are."""
    distance = layering.distance[layering.layer_of].astype(np.float64)
    # Points of the same distance would cover each other: they are spread a little.
    spread = FIGURE.point_spread
    place = distance + np.random.default_rng(0).uniform(-spread, spread, len(distance))
    for block, (color, words) in reversed(tuple(FIGURE.blocks.items())):
        mine = blocks == block.value
        if mine.any():
            axes.scatter(
                place[mine], eps[mine], s=12, c=color, label=words, alpha=0.6, linewidths=0.0
            )
    axes.set_xlim(-0.8, distance.max() + 0.8)
    return np.asarray(place)
