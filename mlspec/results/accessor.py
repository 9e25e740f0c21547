"""``ds.mlspec``: what one asks of a result, by name."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mlspec.core.layering import FIXED
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.trace import Block
from mlspec.errors import InputError
from mlspec.results.reading import neighborhood_of


@xr.register_dataset_accessor("mlspec")  # type: ignore[no-untyped-call]
class ResultAccessor:
    """Views of a result, registered as ``ds.mlspec`` by ``import mlspec.results``."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def heatmap(self) -> xr.DataArray:
        """Return the certified radius ``(y, x)`` of each pixel, NaN where a pixel does not move."""
        moving = self._ds["layer_index"] != FIXED
        return self._ds["epsilon_map"].where(moving).assign_attrs(self._ds["epsilon_map"].attrs)

    def trace(self) -> xr.Dataset:
        """Return the steps of the search: the variables ``step_...`` and the layers' weights."""
        names = [name for name in self._ds.data_vars if str(name).startswith("step_")]
        return self._ds[[*names, "weight"]]

    def witness(self, layer: int) -> xr.DataArray:
        """Return the violating image ``(channel, y, x)`` that keeps ``layer`` from growing.

        Raises InputError when there is none, naming the layers that have one.
        """
        count = self._ds.sizes["layer"]
        if not 0 <= layer < count:
            raise InputError(f"there is no layer {layer}: they count from 0 to {count - 1}")
        blocks = self._ds["blocked_by"].values
        with_witness = blocked_layers(self._ds)
        if layer not in with_witness:
            reason = "cap" if blocks[layer] == Block.CAP.value else "budget"
            raise InputError(
                f"layer {layer} has no blocking witness (blocked by: {reason}); "
                f"layers with one: {ranges(with_witness)}"
            )
        return self._ds["blocking_witness"].isel(layer=layer)

    def neighborhood(self) -> Neighborhood:
        """Return the certified neighborhood: image, layers and radii."""
        return neighborhood_of(self._ds)


def blocked_layers(ds: xr.Dataset) -> list[int]:
    """Return the layers whose blocking witness is stored, in order."""
    stored = ds["blocking_witness"].notnull().all(("channel", "y", "x")).values
    return [int(layer) for layer in np.flatnonzero(stored)]


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
