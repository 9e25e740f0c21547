"""The panels that are curves: size over time, epsilon over layers."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

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
from mlspec.report.pictures import radius_range

_WIDE = 30.0
"""Sizes that differ by more than this factor are drawn on a logarithmic axis."""


def search_panel(axes: Axes, ds: xr.Dataset) -> None:
    """Panel d: the size certified over time, and every neighborhood tried."""
    seconds, sizes = ds["step_seconds"].values, ds["step_size"].values
    verdicts = ds["step_verdict"].values
    title(axes, "d", "Size of the neighborhood over time")
    as_plot(axes)
    axes.set_xlabel("time (s)", fontsize=NORMAL)
    axes.set_ylabel("size  w·ε", fontsize=NORMAL)
    size, bound = float(ds["size"]), float(ds["upper_bound"])
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


def layer_radius_panel(axes: Axes, ds: xr.Dataset) -> None:
    """Panel e: the certified radius of each layer, coloured by what keeps it from growing."""
    eps, blocks = ds["epsilon"].values, ds["blocked_by"].values
    layers = np.arange(len(eps))
    title(axes, "e", "Certified epsilon of each layer")
    as_plot(axes)
    axes.set_yscale("log")
    low, high = radius_range(eps)
    small = eps < low
    floor = low / (2.2 if small.any() else 1.4)
    axes.set_ylim(floor, high * 1.5)
    log_ticks(axes.yaxis, *axes.get_ylim())
    for block, (color, words) in BLOCKS.items():
        mine = blocks == block.value
        if mine.any():
            height = np.maximum(eps[mine], floor) - floor
            axes.bar(layers[mine], height, 0.84, bottom=floor, color=color, label=words)
    for layer in layers[small]:
        axes.annotate(
            near(eps[layer], 1),
            (layer, floor),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            rotation=90 if eps[layer] > 0.0 else 0,
            fontsize=SMALL,
            color=INK,
        )
    axes.set_xlim(-0.8, len(eps) - 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
    axes.set_xlabel("layer (0 is the object)", fontsize=NORMAL)
    axes.set_ylabel("ε, pixel intensity in [0, 1]", fontsize=NORMAL)
    _legend(axes, "what keeps the layer from growing:")


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
