"""The panels of the strategy ``proposal``: what each iteration tried, by which gradient and
weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from mlspec.core.network import Array
from mlspec.core.trace import Move
from mlspec.report.drawing import as_plot, color_bar, legend_below, title, whole_numbers
from mlspec.report.style import FIGURE
from mlspec.report.words import value_name
from mlspec.results import layering_of, objective_of, per_radius


def iterated(ds: xr.Dataset) -> bool:
    """Say whether the result has iterations to draw."""
    return bool(ds.sizes.get("iteration", 0))


def iteration_panels(panels: Sequence[Axes], ds: xr.Dataset, letters: Iterator[str]) -> None:
    """Draw three panels: the value tried and the margin left, the gradient, and the weights."""
    tried, gradient, weights = panels
    _tried(tried, ds, next(letters))
    slopes = -per_radius(ds, "iteration_gradient")
    _map(gradient, ds, slopes, next(letters), "Gradient of the margin", "margin lost per unit of ε")
    used = per_radius(ds, "iteration_weight")
    _map(
        weights,
        ds,
        used,
        next(letters),
        "Weights of each iteration",
        "direction, or cutting weight",
    )


def _tried(axes: Axes, ds: xr.Dataset, letter: str) -> None:
    title(axes, letter, "Value tried in each iteration")
    as_plot(axes)
    eps = np.moveaxis(per_radius(ds, "iteration_epsilon"), 0, -1)
    values = objective_of(ds).values(eps)
    verdicts, moves = ds["iteration_verdict"].values, ds["iteration_move"].values
    at = np.arange(1, len(values) + 1)
    markers = {Move.EXPANSION.value: "^", Move.SHRINKAGE.value: "v"}
    for outcome, (color, _) in FIGURE.outcomes.items():
        for move, marker in markers.items():
            mine = (verdicts == outcome.value) & (moves == move)
            if mine.any():
                label = f"{move}: {outcome.value}"
                axes.scatter(at[mine], values[mine], s=24, c=color, marker=marker, label=label)
    whole_numbers(axes.xaxis, FIGURE.most_ticks)
    axes.set_xlabel("iteration", fontsize=FIGURE.normal)
    axes.set_ylabel(value_name(ds), fontsize=FIGURE.normal)
    margins = axes.twinx()
    margins.plot(
        at, ds["iteration_margin"].values, color=FIGURE.colours.muted, lw=1.0, drawstyle="steps-mid"
    )
    margins.set_ylabel(
        "least margin it began from", fontsize=FIGURE.medium, color=FIGURE.colours.muted
    )
    margins.tick_params(labelsize=FIGURE.small, colors=FIGURE.colours.muted)
    margins.set_ylim(bottom=0.0)
    margins.spines[["top", "left", "bottom"]].set_visible(False)
    legend_below(axes)


def _map(axes: Axes, ds: xr.Dataset, values: Array, letter: str, name: str, unit: str) -> None:
    """Draw ``values`` ``(R, iterations)``, one row for each epsilon."""
    title(axes, letter, name)
    rows, columns = values.shape
    ends = (0.5, columns + 0.5, rows - 0.5, -0.5)
    shown = axes.imshow(
        values,
        aspect="auto",
        interpolation="nearest",
        cmap=FIGURE.colours.epsilon_map,
        extent=ends,
        vmin=0.0,
    )
    whole_numbers(axes.xaxis, FIGURE.most_ticks)
    whole_numbers(axes.yaxis, FIGURE.most_ticks)
    axes.tick_params(labelsize=FIGURE.medium)
    axes.set_xlabel("iteration", fontsize=FIGURE.normal)
    axes.set_ylabel(f"{layering_of(ds).kind.part}", fontsize=FIGURE.normal)
    color_bar(axes, shown, unit)
