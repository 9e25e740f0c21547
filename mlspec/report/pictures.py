"""The panels that are pictures: the image, the layers, the certified radius of every pixel."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from mlspec.core.network import Array
from mlspec.report.numbers import listed
from mlspec.report.palette import (
    LARGE,
    LAYER_MAP,
    NOTHING,
    OBJECT,
    RADIUS_MAP,
    SMALL,
    TARGET,
    as_picture,
    color_bar,
    log_ticks,
    outline,
    title,
)
from mlspec.report.words import target_names, the_object

_RINGS = 5
"""Every so many layers a border is drawn."""
_SPAN = 1000.0
"""Smaller radii than this fraction of the largest are drawn alike, so that one does not squeeze all
others."""


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
    thing, plural = the_object(ds).removeprefix("the "), "s" if len(names) > 1 else ""
    words = [
        (0.0, "left", f"perturbed: {thing} (outlined)", OBJECT),
        (1.0, "right", f"target{plural}: {listed(names)}", TARGET),
    ]
    for x, side, text, color in words:
        axes.text(
            x,
            -0.035,
            text,
            transform=axes.transAxes,
            ha=side,
            va="top",
            fontsize=LARGE,
            color=color,
            fontweight="bold",
        )


def layer_panel(axes: Axes, ds: xr.Dataset) -> None:
    """Panel b: the layer of every pixel."""
    index, count = ds["layer_index"].values, ds.sizes["layer"]
    _hatch_fixed(axes, index)
    shown = axes.imshow(
        np.ma.masked_less(index, 0),
        cmap=LAYER_MAP,
        vmin=-0.5,
        vmax=count - 0.5,
        interpolation="nearest",
    )
    for first in range(_RINGS, count, _RINGS):
        outline(axes, (index >= 0) & (index < first), "#ffffff80", 0.6)
    outline(axes, object_mask(ds))
    as_picture(axes)
    title(axes, "b", f"{count} layer{'s' if count > 1 else ''} around the object")
    bar = color_bar(axes, shown, "layer (0 is the object)")
    bar.set_ticks(np.unique(np.linspace(0, count - 1, min(count, 6)).round()).tolist())


def radius_panel(axes: Axes, ds: xr.Dataset) -> None:
    """Panel c: the certified radius of every pixel, on a logarithmic scale."""
    index, eps = ds["layer_index"].values, ds["epsilon"].values
    low, high = radius_range(eps)
    _hatch_fixed(axes, index)
    # A colour bar extends below its scale: that is where zero has its place.
    radii = np.where(ds["epsilon_map"] > 0.0, np.maximum(ds["epsilon_map"].values, low), low / 10.0)
    shown = axes.imshow(
        np.ma.masked_where(index < 0, radii),
        norm=LogNorm(low, high),
        cmap=colormaps[RADIUS_MAP].with_extremes(under=NOTHING),
        interpolation="nearest",
    )
    outline(axes, object_mask(ds))
    as_picture(axes)
    title(axes, "c", "Certified epsilon of each pixel")
    zero = bool((eps == 0.0).any())
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
        bar.ax.text(1.75, -0.055, "0", transform=bar.ax.transAxes, fontsize=SMALL, va="center")


def radius_range(eps: Array) -> tuple[float, float]:
    """Return the ends of a logarithmic scale for the positive radii of ``eps``: three decades at
    most."""
    positive = eps[eps > 0.0]
    if not positive.size:
        return 0.001, 1.0
    high = float(positive.max())
    low = max(float(positive.min()), high / _SPAN)
    if high / low < 4.0:
        middle = float(np.sqrt(low * high))
        return middle / 2.0, middle * 2.0
    return low, high


def object_mask(ds: xr.Dataset) -> NDArray[np.bool_]:
    """Return the object's pixels ``(H, W)``."""
    return np.asarray(ds["object_mask"].values, dtype=np.bool_)


def _hatch_fixed(axes: Axes, index: NDArray[np.int16]) -> None:
    """Mark pixels that do not move: the picture leaves them out, the background shows."""
    if (index < 0).any():
        axes.patch.set(facecolor="white", edgecolor="#c4c4c4", hatch="////", linewidth=0.0)
        axes.text(
            1.0,
            -0.035,
            "hatched: does not move",
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=SMALL,
        )
