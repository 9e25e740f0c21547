"""``ds.mlspec``: what one asks of a result, by name."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mlspec.core.layering import DIRECTIONS, Layering
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.trace import Block
from mlspec.errors import InputError
from mlspec.results.reading import (
    blocking_witness,
    layering_of,
    margin_shares_of,
    neighborhood_of,
    per_radius,
    sensitivities_of,
)


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
        ds = self._ds
        r = self._radius(layer, direction)
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

    def sensitivity(self, layer: int, direction: str | None = None) -> float:
        """Return how much of the certified margin the epsilon of ``layer`` costs, per unit of it.

        That is the derivative of the margin that bounds certify around the neighborhood.
        ``direction`` is as for ``witness``. Raises InputError where the result does not say.
        """
        return self._of_radius(sensitivities_of(self._ds), layer, direction)

    def margin_share(self, layer: int, direction: str | None = None) -> float:
        """Return which share of the margin ``layer`` uses up, by the linearised margin: its
        sensitivity times its epsilon, over the sum of all.

        ``direction`` is as for ``witness``. Raises InputError where the result does not say.
        """
        return self._of_radius(margin_shares_of(self._ds), layer, direction)

    def _of_radius(self, values: Array | None, layer: int, direction: str | None) -> float:
        r = self._radius(layer, direction)
        if values is None:
            raise InputError(
                "the result does not say how the margin falls: its search ended before that was "
                "computed, or was made by an earlier mlspec; solve again with more time"
            )
        return 0.0 if r == Layering.NO_RADIUS else float(values[r])

    def _radius(self, layer: int, direction: str | None) -> int:
        """Return the radius index of a layer, or of one of its directions; raises InputError."""
        layering = layering_of(self._ds)
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
        return r

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
