"""The panels that are pictures: the image, the layers, the certified epsilon of every pixel."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import assert_never

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from mlspec.core.layering import Index, Layering
from mlspec.core.naming import counted
from mlspec.core.network import Array
from mlspec.core.partitions import Borders
from mlspec.report.drawing import (
    as_picture,
    borders,
    color_bar,
    log_ticks,
    outline,
    title,
    whole_numbers,
)
from mlspec.report.numbers import listed
from mlspec.report.style import FIGURE
from mlspec.report.words import target_names, the_object
from mlspec.results import eps_of, layering_of


def picture(axes: Axes, image: Array) -> None:
    """Show an image ``(C, H, W)`` in [0, 1]: three channels in colour, other numbers as their
    mean."""
    if image.shape[0] == 3:
        axes.imshow(np.moveaxis(image, 0, -1), interpolation="nearest")
    else:
        shown = image.mean(axis=0)
        axes.imshow(shown, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    as_picture(axes)


def object_panel(axes: Axes, ds: xr.Dataset) -> None:
    """Panel a: the image with the object outlined, and the names of object and targets."""
    picture(axes, ds["image"].values)
    outline(axes, object_mask(ds))
    title(axes, "a", "Image")
    names = target_names(ds)
    thing, plural = the_object(ds).replace("the ", ""), "s" if len(names) > 1 else ""
    lines = 0
    for text, color in (
        (f"perturbed: {thing} (outlined)", FIGURE.colours.perturbed),
        (f"target{plural}: {listed(names)}", FIGURE.colours.target),
    ):
        wrapped = textwrap.wrap(text, FIGURE.caption_characters)
        axes.text(
            0.0,
            -0.035 - FIGURE.caption_line * lines,
            "\n".join(wrapped),
            transform=axes.transAxes,
            va="top",
            fontsize=FIGURE.large,
            color=color,
            fontweight="bold",
        )
        lines += len(wrapped)


def layer_panel(axes: Axes, ds: xr.Dataset) -> None:
    """Panel b: the layer of every pixel, or the part of another partition."""
    layering = layering_of(ds)
    index, distance = layering.index, layering.distance
    _hatch_fixed(axes, index)
    most = int(distance.max())
    shown = axes.imshow(
        np.ma.masked_where(index < 0, distance[index]),
        cmap=FIGURE.colours.layer_map,
        vmin=-0.5,
        vmax=most + 0.5,
        interpolation="nearest",
    )
    match layering.kind.borders:
        case Borders.CELLS:
            borders(axes, index, FIGURE.colours.border, 0.6)
        case Borders.RINGS:
            for first in range(FIGURE.ring_every, most + 1, FIGURE.ring_every):
                outline(axes, (index >= 0) & (distance[index] < first), FIGURE.colours.border, 0.6)
        case Borders.NONE:
            pass
        case _:
            assert_never(layering.kind.borders)
    if layering.owners:
        borders(axes, _regions(layering), FIGURE.colours.owner_border, 1.6)
    outline(axes, object_mask(ds))
    as_picture(axes)
    title(axes, "b", _heading(ds, layering))
    if most > 0 or layering.kind.concentric:
        plain = layering.kind.first_is_object and not layering.names
        label = "layer (0 is the object)" if plain else "distance from the object"
        bar = color_bar(axes, shown, label)
        whole_numbers(bar.ax.yaxis, 6)


def _heading(ds: xr.Dataset, layering: Layering) -> str:
    if layering.kind.whole:
        return "All pixels move alike"
    parts = counted(replace(layering, radius_of=None))
    if layering.kind.concentric:
        several = bool(layering.names) or ", " in str(ds.attrs.get("object_label", ""))
        return f"{parts} around {'several objects' if several else 'the object'}"
    return f"{parts[:1].upper()}{parts[1:]}"


def _regions(layering: Layering) -> NDArray[np.int64]:
    """Return to which object ``(H, W)`` the layer of each pixel belongs."""
    _, owner = np.unique(layering.owners, return_inverse=True)
    return np.where(layering.index < 0, -1, owner[layering.index])


def epsilon_panel(axes: Axes, ds: xr.Dataset, letter: str, direction: str = "") -> None:
    """The panel of the certified epsilon of every pixel, on a logarithmic scale.

    Of an asymmetric result, that in ``direction``.
    """
    epsilons = ds["epsilon_map"].values
    if direction:
        epsilons = ds["epsilon_map_directed"].sel(direction=direction).values
    index = ds["layer_index"].values
    low, high = epsilon_range(eps_of(ds))
    moving = index >= 0
    if direction:
        moving &= _has_room(ds["image"].values, direction)
    _hatch_fixed(axes, np.where(moving, index, Layering.FIXED))
    # A colour bar extends below its scale: that is where zero has its place.
    drawn = np.where(epsilons > 0.0, np.clip(epsilons, low, high), low / 10.0)
    shown = axes.imshow(
        np.ma.masked_where(~moving, drawn),
        norm=LogNorm(low, high),
        cmap=colormaps[FIGURE.colours.epsilon_map].with_extremes(under=FIGURE.colours.nothing),
        interpolation="nearest",
    )
    outline(axes, object_mask(ds))
    as_picture(axes)
    title(
        axes,
        letter,
        f"Certified epsilon {direction}wards" if direction else "Certified epsilon of each pixel",
    )
    zero = bool((epsilons[moving] == 0.0).any())
    bar = color_bar(
        axes,
        shown,
        "pixel intensity, range [0, 1]",
        extend="min" if zero else "neither",
        extendrect=True,
        extendfrac=0.09,
    )
    log_ticks(bar.ax.yaxis, low, high)
    if zero:
        bar.ax.text(
            1.75, -0.055, "0", transform=bar.ax.transAxes, fontsize=FIGURE.small, va="center"
        )


def _has_room(image: Array, direction: str) -> NDArray[np.bool_]:
    """Say of each pixel ``(H, W)`` whether some channel can get darker (down) or brighter (up)."""
    extreme = image > 0.0 if direction == "down" else image < 1.0
    return np.asarray(extreme.any(axis=0))


def epsilon_range(eps: Array) -> tuple[float, float]:
    """Return the ends of a logarithmic scale for the positive ones of ``eps``: ``FIGURE.decades``
    at most."""
    positive = eps[eps > 0.0]
    if not positive.size:
        return 0.001, 1.0
    high = float(positive.max())
    low = max(float(positive.min()), high / 10.0**FIGURE.decades)
    if high / low < 4.0:
        middle = float(np.sqrt(low * high))
        return middle / 2.0, middle * 2.0
    return low, high


def object_mask(ds: xr.Dataset) -> NDArray[np.bool_]:
    """Return the object's pixels ``(H, W)``."""
    return np.asarray(ds["object_mask"].values, dtype=np.bool_)


def _hatch_fixed(axes: Axes, index: Index) -> None:
    """Mark pixels that do not move: the picture leaves them out, the background shows."""
    if (index < 0).any():
        axes.patch.set(
            facecolor="white", edgecolor=FIGURE.colours.fixed, hatch="////", linewidth=0.0
        )
        axes.text(
            1.0,
            -0.035,
            "hatched: does not move",
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=FIGURE.small,
        )
