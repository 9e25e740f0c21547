"""The panel of the search: value over time."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from mlspec.core.objective import WeightedSum
from mlspec.core.verdict import Outcome
from mlspec.report.drawing import as_plot, legend_below, log_ticks, title
from mlspec.report.numbers import above, below
from mlspec.report.style import FIGURE
from mlspec.report.words import value_name
from mlspec.results import aim_of, value_of


def search_panel(axes: Axes, ds: xr.Dataset, letter: str) -> None:
    """The panel of the value certified over time, and every neighborhood tried."""
    plain = aim_of(ds) == WeightedSum.name
    sizes = ds["step_size" if plain else "step_objective"].values
    seconds = ds["step_seconds"].values
    verdicts = ds["step_verdict"].values
    title(axes, letter, f"{'Size' if plain else 'Value'} of the neighborhood over time")
    as_plot(axes)
    axes.set_xlabel("time (s)", fontsize=FIGURE.normal)
    axes.set_ylabel(value_name(ds), fontsize=FIGURE.normal)
    size, bound = value_of(ds)
    end = max(float(ds.attrs["wall_seconds"]), *seconds.tolist(), 1.0)
    robust = verdicts == Outcome.ROBUST.value
    best = np.maximum.accumulate(np.where(robust, sizes, 0.0)) if len(sizes) else sizes
    axes.step(
        [0.0, *seconds, end],
        [0.0, *best, size],
        where="post",
        color=FIGURE.colours.ink,
        linewidth=1.8,
        label="certified",
        zorder=2,
    )
    for outcome, (color, marker) in FIGURE.outcomes.items():
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
    if positive and top / min(positive) > FIGURE.log_from:
        axes.set_yscale("log")
        axes.set_ylim(min(positive) / 1.5, top * 1.6)
        log_ticks(axes.yaxis, *axes.get_ylim())
    else:
        axes.set_ylim(0.0, 1.12 * top)
    axes.set_xlim(0.0, end * 1.01)
    _bound_line(axes, bound)
    legend_below(axes)
    axes.annotate(
        below(size, 3),
        (1.0, size),
        xycoords=axes.get_yaxis_transform(),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=FIGURE.normal,
        fontweight="bold",
        color=FIGURE.colours.ink,
    )


def _bound_line(axes: Axes, bound: float) -> None:
    low, high = axes.get_ylim()
    if not np.isfinite(bound):
        return
    if bound <= 1.6 * high:
        axes.axhline(
            bound,
            color=FIGURE.colours.muted,
            linewidth=1.1,
            linestyle=(0, (5, 3)),
            label=f"upper bound {above(bound, 3)}",
        )
        axes.set_ylim(low, max(high, 1.08 * bound))
    else:
        axes.plot([], [], " ", label=f"upper bound {above(bound, 3)} (off the axis)")
