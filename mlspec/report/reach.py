"""How far the object may change, by a result."""

from __future__ import annotations

import xarray as xr

from mlspec.core.layering import Layering
from mlspec.report.numbers import below
from mlspec.results import eps_of, layering_of


def object_reach(ds: xr.Dataset) -> tuple[float, float]:
    """Return how far every pixel of the object may move downwards and upwards; 0 where some are
    fixed. For the whole image: every pixel."""
    layering = layering_of(ds)
    mask = ds["object_mask"].values.astype(bool)
    if layering.kind.whole:
        mask = layering.index != Layering.FIXED
    down, up = layering.reach(eps_of(ds))
    return float(down[mask].min()), float(up[mask].min())


def reach_in_words(down: float, up: float) -> str:
    """Return a range of changes as text: ``up to ±0.03``, ``-0.01 to +0.03``."""
    if down == up:
        return f"up to ±{below(down)}"
    low, high = (
        f"{sign}{below(value)}" if value > 0.0 else "0" for sign, value in (("−", down), ("+", up))
    )
    return f"{low} to {high}"
