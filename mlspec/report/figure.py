"""A result as one figure: image, layers, certified radii, search, and what lies just beyond."""

from __future__ import annotations

import textwrap
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from mlspec.core.layering import DIRECTIONS
from mlspec.errors import DataError
from mlspec.report.epsilons import layer_radius_panel
from mlspec.report.gallery import chosen, gallery
from mlspec.report.numbers import above, below, duration
from mlspec.report.palette import INK, MUTED, SMALL
from mlspec.report.pictures import layer_panel, object_panel, radius_panel
from mlspec.report.progress import search_panel
from mlspec.report.words import finding, value_name
from mlspec.results import is_asymmetric, value_of

WIDTH = 13.0
"""Inches."""
_LINE = 98
"""Characters of the headline that fit beside each other."""


def plot(ds: xr.Dataset, path: str | Path, dpi: int = 150) -> None:
    """Draw a result into the file ``path``; its ending chooses the format (PNG, PDF, SVG).

    Raises DataError when the file cannot be written.
    """
    path = Path(path)
    figure = draw(ds)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=dpi, facecolor="white")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the figure cannot be written ({error})") from error


def draw(ds: xr.Dataset) -> Figure:
    """Return the figure of a result: panels a to e, and f where there are blocking witnesses.

    There is one more where each direction has a picture of its own.
    """
    radii = chosen(ds)
    heights = [3.4 if is_asymmetric(ds) else 4.4, 3.9, *([4.9] if radii else [])]
    engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.11)
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.9), layout=engine)
    rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    ways = DIRECTIONS if is_asymmetric(ds) else ("",)
    pictures = figure.add_subfigure(rows[0]).subplots(
        1, 2 + len(ways), gridspec_kw={"wspace": 0.08}
    )
    object_panel(pictures[0], ds)
    layer_panel(pictures[1], ds)
    letters = iter("cdefg")
    for axes, way in zip(pictures[2:], ways, strict=True):
        radius_panel(axes, ds, next(letters), way)
    curves = figure.add_subfigure(rows[1]).subplots(1, 2, gridspec_kw={"wspace": 0.06})
    search_panel(curves[0], ds, next(letters))
    layer_radius_panel(curves[1], ds, next(letters))
    if radii:
        gallery(figure.add_subfigure(rows[2]), ds, radii, next(letters))
    figure.suptitle(
        _headline(finding(ds)), fontsize=15, fontweight="bold", color=INK, x=0.01, ha="left"
    )
    figure.supxlabel(_footer(ds), fontsize=SMALL, color=MUTED, x=0.01, ha="left")
    return figure


def _headline(sentence: str) -> str:
    """Break a sentence into lines of about the same length."""
    lines = -(-len(sentence) // _LINE)
    return "\n".join(textwrap.wrap(sentence[:1].upper() + sentence[1:], len(sentence) // lines + 8))


def _footer(ds: xr.Dataset) -> str:
    attrs = ds.attrs
    value, bound = value_of(ds)
    return (
        f"{attrs['name']} · classifier {attrs['classifier_file']} · {value_name(ds)} = "
        f"{below(value, 4)}, at most {above(bound, 4)} · "
        f"{attrs['stop_reason']} after {duration(attrs['wall_seconds'])} · solver {attrs['solver']}"
    )
