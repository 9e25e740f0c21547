"""How to call the parts of a partition, and what a result certifies at the object."""

from __future__ import annotations

import xarray as xr

from mlspec.core.layering import FIXED, Layering
from mlspec.report.numbers import below
from mlspec.results import layering_of, radii_of

NOUNS: dict[str, tuple[str, str]] = {
    "layers": ("layer", "layers"),
    "groups": ("group", "groups"),
    "grid": ("box", "boxes"),
    "pixels": ("pixel", "pixels"),
    "whole": ("image", "images"),
}
"""One part, and several, by kind of partition."""


def noun(layering: Layering) -> str:
    """Return how to call one part."""
    return NOUNS[layering.kind][0]


def counted(layering: Layering) -> str:
    """Return the number of parts in words: ``40 layers``, ``16 boxes, up and down``."""
    one, several = NOUNS[layering.kind]
    if layering.kind == "whole":
        epsilons = "2 epsilons, down and up," if layering.asymmetric else "1 epsilon"
        return f"{epsilons} for the whole image"
    words = f"{layering.layers} {one if layering.layers == 1 else several}"
    return f"{words}, up and down" if layering.asymmetric else words


def part_name(layering: Layering, radius: int) -> str:
    """Return how to call what a radius holds for: ``layer 3``, ``box at rows 0-7, columns 8-15``,
    ``pixel at row 3, column 7 up``."""
    name = layering.radius_names[radius]
    if layering.kind == "whole":
        return name.replace("all pixels", "the image")
    if not layering.names:
        return f"{noun(layering)} {name}"
    return f"{noun(layering)} at {name}" if layering.kind in ("grid", "pixels") else name


def object_reach(ds: xr.Dataset) -> tuple[float, float]:
    """Return how far every pixel of the object may move downwards and upwards; 0 where some are
    fixed. For the whole image: every pixel."""
    layering = layering_of(ds)
    mask = ds["object_mask"].values.astype(bool)
    if layering.kind == "whole":
        mask = layering.index != FIXED
    down, up = layering.reach(radii_of(ds))
    return float(down[mask].min()), float(up[mask].min())


def reach_in_words(down: float, up: float) -> str:
    """Return a range of changes as text: ``up to ±0.03``, ``-0.01 to +0.03``."""
    if down == up:
        return f"up to ±{below(down)}"
    low, high = (
        f"{sign}{below(value)}" if value > 0.0 else "0" for sign, value in (("−", down), ("+", up))
    )
    return f"{low} to {high}"
