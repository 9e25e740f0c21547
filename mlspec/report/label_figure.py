"""How the labels stand, as a figure: labels by always, either and never, and their scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from mlspec.core.standing import Standing
from mlspec.report.drawing import as_plot, headed, title, wrapped, written
from mlspec.report.label_table import effort, labels_sentence
from mlspec.report.style import FIGURE

COLUMNS = (Standing.ALWAYS, Standing.EITHER, Standing.NEVER)


def plot_labels(ds: xr.Dataset, path: str | Path, dpi: int = 150) -> None:
    """Draw how the labels stand into the file ``path``; its ending chooses the format.

    Raises DataError when the file cannot be written.
    """
    written(draw_labels(ds), path, dpi)


def draw_labels(ds: xr.Dataset) -> Figure:
    """Return the figure: one row per label, that of the highest score at the top."""
    rows = np.argsort(ds["score"].values, kind="stable")
    height = FIGURE.label_margins + FIGURE.label_row * len(rows)
    engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.11)
    figure = Figure(figsize=(FIGURE.label_width, height), layout=engine)
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": (1, 2.4)})
    _standings(left, ds, rows)
    _scores(right, ds, rows)
    eps = ds["epsilon"].values
    ends = f"{eps.min():.4g}" if eps.min() == eps.max() else f"{eps.min():.4g} to {eps.max():.4g}"
    footer = (
        f"{ds.attrs['name']} · classifier {ds.attrs['classifier_file']} · epsilon {ends} · "
        f"{effort(ds)}"
    )
    headed(figure, wrapped(labels_sentence(ds), FIGURE.label_characters), footer)
    return figure


def _standings(axes: Axes, ds: xr.Dataset, rows: NDArray[np.intp]) -> None:
    standings = ds["standing"].values[rows]
    for place, name in enumerate(standings):
        standing = Standing(str(name))
        colour = FIGURE.standings[standing]
        if standing in COLUMNS:
            axes.scatter(
                COLUMNS.index(standing), place, s=FIGURE.label_mark, color=colour, zorder=3
            )
            continue
        axes.text(
            1, place, "not decided", ha="center", va="center", fontsize=FIGURE.small, color=colour
        )
    axes.set_xticks(range(len(COLUMNS)), [column.value for column in COLUMNS])
    axes.set_yticks(range(len(rows)), [str(name) for name in ds["label"].values[rows]])
    axes.set_xlim(-0.6, len(COLUMNS) - 0.4)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    as_plot(axes)
    axes.set_ylabel("label", fontsize=FIGURE.normal)
    title(axes, "a", "predicted")


def _scores(axes: Axes, ds: xr.Dataset, rows: NDArray[np.intp]) -> None:
    low, high = ds["score_lower"].values[rows], ds["score_upper"].values[rows]
    for place, label in enumerate(rows.tolist()):
        colour = FIGURE.standings[Standing(str(ds["standing"].values[label]))]
        if np.isfinite([low[place], high[place]]).all():
            axes.plot(
                [low[place], high[place]], [place, place], color=colour, lw=5, solid_capstyle="butt"
            )
        axes.plot(ds["score"].values[label], place, "|", color=FIGURE.colours.ink, ms=11, mew=1.6)
    as_plot(axes)
    axes.set_xlabel("score (logit): the image, and certified bounds", fontsize=FIGURE.normal)
    title(axes, "b", "scores within the neighborhood")
