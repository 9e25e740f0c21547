"""``ds.mlspec``: what one asks of a result, by name."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mlspec.core.layering import DIRECTIONS, Layering
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.trace import Block
from mlspec.errors import InputError
from mlspec.results.reading import blocking_witness, layering_of, neighborhood_of, per_radius


@xr.register_dataset_accessor("mlspec")  # type: ignore[no-untyped-call]
class ResultAccessor:
    """Views of a result, registered as ``ds.mlspec`` by ``import mlspec.results``."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def heatmap(self) -> xr.DataArray:
        """Return the certified epsilon ``(y, x)`` of each pixel, NaN where a pixel does not move.

        Of an asymmetric result: the smaller of both directions, which
        ``epsilon_map_directed(direction, y, x)`` holds.
        """
        moving = self._ds["layer_index"] != Layering.FIXED
        return self._ds["epsilon_map"].where(moving).assign_attrs(self._ds["epsilon_map"].attrs)

    def trace(self) -> xr.Dataset:
        """Return the steps of the search: the variables ``step_...`` and the layers' weights."""
        names = [name for name in self._ds.data_vars if str(name).startswith("step_")]
        return self._ds[[*names, "weight"]]

    def witness(self, layer: int, direction: str | None = None) -> xr.DataArray:
        """Return the violating image ``(channel, y, x)`` that keeps ``layer`` from growing.

        ``direction`` (down, up) must be given for an asymmetric result, and for no other. Raises
        InputError when there is none, naming the layers that have one.
        """
        ds, layering = self._ds, layering_of(self._ds)
        if isinstance(layer, bool) or not isinstance(layer, int | np.integer):
            raise InputError(f"layer: a whole number from 0 on; got {layer!r}")
        if not 0 <= layer < layering.layers:
            raise InputError(
                f"there is no layer {layer}: they count from 0 to {layering.layers - 1}"
            )
        r = layer
        if layering.radius_of is not None:
            if direction not in DIRECTIONS:
                raise InputError(f"direction: one of {', '.join(DIRECTIONS)}; got {direction!r}")
            r = int(layering.radius_of[layer, DIRECTIONS.index(direction)])
        elif direction is not None:
            raise InputError("the result is symmetric: leave the direction out")
        image = None if r == Layering.NO_RADIUS else blocking_witness(ds, r)
        if image is None:
            no_room = r == Layering.NO_RADIUS
            cap = no_room or per_radius(ds, "blocked_by")[r] == Block.CAP.value
            way = f" {direction}" if direction else ""
            raise InputError(
                f"layer {layer}{way} has no blocking witness (blocked by: "
                f"{'cap' if cap else 'budget'}); layers with one: {_with_witness(ds)}"
            )
        return (
            ds["image"]
            .copy(data=image)
            .assign_attrs(
                long_name="violating image just beyond the layer's epsilon, pixel intensity"
            )
        )

    def neighborhood(self) -> Neighborhood:
        """Return the certified neighborhood: image, layers and epsilons."""
        return neighborhood_of(self._ds)


def blocked_radii(ds: xr.Dataset) -> list[int]:
    """Return the radius indices whose blocking witness is stored, in order: of a symmetric result,
    the layers."""
    stored = ~np.isnan(per_radius(ds, "blocking_scores")).any(axis=1)
    return [int(r) for r in np.flatnonzero(stored)]


def _with_witness(ds: xr.Dataset) -> str:
    radii, layering = blocked_radii(ds), layering_of(ds)
    if layering.asymmetric:
        return ", ".join(layering.radius_names[radius] for radius in radii) or "none"
    return ranges(radii)


def ranges(numbers: list[int]) -> str:
    """Return whole numbers in order as text: ``0-3, 7``; ``none`` if there are none."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return (
        ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs) or "none"
    )
