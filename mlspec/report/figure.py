"""A result as one figure: image, layers, certified epsilons, search, violating images beyond."""

from __future__ import annotations

from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from mlspec.core.layering import DIRECTIONS
from mlspec.report.drawing import headed, wrapped, written
from mlspec.report.epsilons import layer_epsilon_panel
from mlspec.report.explanation import headline, reasons
from mlspec.report.gallery import chosen, gallery
from mlspec.report.iterations import iterated, iteration_panels
from mlspec.report.numbers import above, below, duration
from mlspec.report.pictures import epsilon_panel, layer_panel, object_panel
from mlspec.report.progress import search_panel
from mlspec.report.style import FIGURE
from mlspec.report.words import stopped, value_name
from mlspec.results import is_asymmetric, value_of


def plot(ds: xr.Dataset, path: str | Path, dpi: int = 150) -> None:
    """Draw a result into the file ``path``; its ending chooses the format (PNG, PDF, SVG).

    Raises DataError when the file cannot be written.
    """
    written(draw(ds), path, dpi)


def draw(ds: xr.Dataset) -> Figure:
    """Return the figure of a result: panels a to e, and f where there are blocking witnesses.

    There is one more where each direction has a picture of its own, and three more for the
    iterations of the strategy ``proposal``.
    """
    shown = chosen(ds)
    pictures_height = FIGURE.narrow_picture_height if is_asymmetric(ds) else FIGURE.picture_height
    explained = [f"{each[:1].upper()}{each[1:]}." for each in reasons(ds)]
    loop = [FIGURE.curve_height] if iterated(ds) else []
    above_pictures = FIGURE.explained_line * len(explained)
    heights = [pictures_height + above_pictures, FIGURE.curve_height, *loop]
    heights += [FIGURE.gallery_height] if shown else []
    engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.11)
    figure = Figure(figsize=(FIGURE.width, sum(heights) + FIGURE.margins), layout=engine)
    rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    ways = DIRECTIONS if is_asymmetric(ds) else ("",)
    top = figure.add_subfigure(rows[0])
    if explained:
        lines = "\n".join(explained)
        top.suptitle(lines, fontsize=FIGURE.large, color=FIGURE.colours.muted, x=0.01, ha="left")
    pictures = top.subplots(1, 2 + len(ways), gridspec_kw={"wspace": 0.08})
    object_panel(pictures[0], ds)
    layer_panel(pictures[1], ds)
    letters = iter("cdefghij")
    for axes, way in zip(pictures[2:], ways, strict=True):
        epsilon_panel(axes, ds, next(letters), way)
    curves = figure.add_subfigure(rows[1]).subplots(1, 2, gridspec_kw={"wspace": 0.06})
    search_panel(curves[0], ds, next(letters))
    layer_epsilon_panel(curves[1], ds, next(letters))
    if loop:
        panels = figure.add_subfigure(rows[2]).subplots(1, 3, gridspec_kw={"wspace": 0.16})
        iteration_panels(panels, ds, letters)
    if shown:
        gallery(figure.add_subfigure(rows[-1]), ds, shown, next(letters))
    headed(figure, wrapped(headline(ds), FIGURE.headline_characters), _footer(ds))
    return figure


def _footer(ds: xr.Dataset) -> str:
    attrs = ds.attrs
    value, bound = value_of(ds)
    return (
        f"{attrs['name']} · classifier {attrs['classifier_file']} · {value_name(ds)} = "
        f"{below(value, 4)}, at most {above(bound, 4)} · "
        f"{stopped(ds)} after {duration(attrs['wall_seconds'])} · solver {attrs['solver']}"
    )
