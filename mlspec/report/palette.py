"""Colours and small drawing aids shared by the panels of a figure.

Categories use colours of P. Tol's and Okabe and Ito's sets, which stay apart for every kind of
colour vision; magnitudes use perceptually uniform maps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colorbar import Colorbar
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from mlspec.core.trace import Block
from mlspec.core.verdict import Outcome

INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#e3e3e3"
OBJECT = "#ff6f3c"
"""Outline and name of the perturbed object: stands out from black, white and the colour maps."""
TARGET = "#3d8fd1"
NOTHING = "#c9ced6"
"""Pixels whose certified radius is zero."""

RADIUS_MAP = "viridis"
LAYER_MAP = "cividis"
CHANGE_MAP = "RdBu_r"

OUTCOMES: dict[Outcome, tuple[str, str]] = {
    Outcome.ROBUST: ("#009e73", "o"),
    Outcome.VIOLATED: ("#d55e00", "x"),
    Outcome.UNKNOWN: ("#8a8a8a", "v"),
}
"""Colour and marker of a step by its verdict."""

BLOCKS: dict[Block, tuple[str, str]] = {
    Block.WITNESS: ("#5b84b1", "a violating image"),
    Block.CAP: ("#4f9d69", "nothing, any value is allowed"),
    Block.BUDGET: ("#e0b04c", "not known"),
}
"""Colour and words of a layer by what blocks it."""

SMALL, NORMAL, LARGE = 8.5, 10.0, 11.0
"""Font sizes, in points."""


def title(axes: Axes, letter: str, text: str) -> None:
    """Give a panel its letter and title, at its upper left."""
    axes.set_title(rf"$\bf{{{letter}}}$  {text}", loc="left", fontsize=LARGE, color=INK, pad=7)


def as_picture(axes: Axes) -> None:
    """Strip an image panel of ticks and frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")
        spine.set_linewidth(0.6)


def as_plot(axes: Axes) -> None:
    """Give a curve panel a light grid and no box."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.grid(True, which="major", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL + 0.5, colors=INK)


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Label a logarithmic axis from ``low`` to ``high`` in plain decimals."""
    decades = math.log10(high / low)
    subs = (1.0,) if decades > 2.5 else (1.0, 3.0) if decades > 1.3 else (1.0, 2.0, 3.0, 5.0, 7.0)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def color_bar(axes: Axes, shown: ScalarMappable, label: str, **options: Any) -> Colorbar:
    """Put a colour bar beside ``axes``, whose size stays as it is."""
    place = axes.inset_axes((1.035, 0.06, 0.045, 0.88))
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(shown, cax=place, **options)
    bar.set_label(label, fontsize=SMALL + 0.5)
    place.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)
    return bar


def outline(axes: Axes, mask: NDArray[np.bool_], color: str = OBJECT, width: float = 1.4) -> None:
    """Draw the border of ``mask`` ``(H, W)`` along pixel edges."""
    borders(axes, np.pad(mask, 1), color, width, shift=1)


def borders(
    axes: Axes, index: NDArray[Any], color: str, width: float = 1.4, shift: int = 0
) -> None:
    """Draw the borders between pixels of different ``index`` ``(H, W)``, whose first pixel is at
    ``-shift``."""
    below = np.argwhere(index[1:] != index[:-1]) - [shift - 0.5, shift + 0.5]
    beside = np.argwhere(index[:, 1:] != index[:, :-1]) - [shift + 0.5, shift - 0.5]
    segments = [((x, y), (x + 1, y)) for y, x in below] + [((x, y), (x, y + 1)) for y, x in beside]
    axes.add_collection(
        LineCollection(segments, colors=color, linewidths=width, capstyle="projecting")
    )


def legend_below(axes: Axes, heading: str | None = None) -> None:
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
