"""Drawing aids that the panels of a figure share."""

from __future__ import annotations

import math
import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    StrMethodFormatter,
)
from numpy.typing import NDArray

from mlspec.errors import DataError
from mlspec.files import written_whole
from mlspec.report.style import FIGURE


def written(figure: Figure, path: str | Path, dpi: int) -> None:
    """Write ``figure`` into the file ``path``; its ending chooses the format (PNG, PDF, SVG).

    Raises DataError where the file cannot be written.
    """
    path = Path(path)
    try:
        with written_whole(path) as temporary:
            figure.savefig(temporary, dpi=dpi, facecolor="white")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the figure cannot be written ({error})") from error


def lettered(letter: str, text: str) -> str:
    """Return the title of a panel with its bold letter before it.

    This is the only text that matplotlib reads as mathematics: ``text`` must hold no names that a
    user gives.
    """
    return rf"$\bf{{{letter}}}$  {text}"


def without_mathematics(figure: Figure) -> None:
    """Have all texts but the lettered titles printed as they are: a label may contain ``$``."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and not re.fullmatch(r"\$\\bf\{\w\}\$[^$]*", text.get_text()):
            text.set_parse_math(False)


def headed(figure: Figure, headline: str, footer: str) -> None:
    """Put the headline above the figure and the footer below; its texts are final then."""
    figure.suptitle(
        headline,
        fontsize=FIGURE.headline_size,
        fontweight="bold",
        color=FIGURE.colours.ink,
        x=0.01,
        ha="left",
    )
    figure.supxlabel(footer, fontsize=FIGURE.small, color=FIGURE.colours.muted, x=0.01, ha="left")
    without_mathematics(figure)


def wrapped(sentence: str, characters: int) -> str:
    """Break a sentence into lines of about the same length, of at most so many ``characters``."""
    lines = -(-len(sentence) // characters)
    return "\n".join(textwrap.wrap(sentence[:1].upper() + sentence[1:], len(sentence) // lines + 8))


def title(axes: Axes, letter: str, text: str) -> None:
    """Give a panel its letter and title, at its upper left."""
    axes.set_title(
        lettered(letter, text), loc="left", fontsize=FIGURE.large, color=FIGURE.colours.ink, pad=7
    )


def as_picture(axes: Axes) -> None:
    """Strip an image panel of ticks and frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(FIGURE.colours.frame)
        spine.set_linewidth(0.6)


def as_plot(axes: Axes) -> None:
    """Give a curve panel a light grid and no box."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FIGURE.colours.muted)
    axes.grid(True, which="major", color=FIGURE.colours.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=FIGURE.medium, colors=FIGURE.colours.ink)


def whole_numbers(axis: Axis, most: int) -> None:
    """Label an axis at whole numbers, up to ``most`` of them: layers and pixels have no others."""
    axis.set_major_locator(MaxNLocator(integer=True, nbins=most, min_n_ticks=1))
    axis.set_major_formatter(StrMethodFormatter("{x:.0f}"))


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
    bar.set_label(label, fontsize=FIGURE.medium)
    place.tick_params(labelsize=FIGURE.small)
    bar.outline.set_visible(False)
    return bar


def outline(
    axes: Axes, mask: NDArray[np.bool_], color: str = FIGURE.colours.perturbed, width: float = 1.4
) -> None:
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
        title_fontsize=FIGURE.small,
        fontsize=FIGURE.small,
        frameon=False,
        ncols=3,
        loc="upper left",
        bbox_to_anchor=(0.0, -0.16),
        borderaxespad=0.0,
        alignment="left",
        columnspacing=1.4,
        handletextpad=0.6,
    )
