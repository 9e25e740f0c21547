"""Object mask to layers: the distance of every pixel to the object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mlspec.core.layering import Index, Layering
from mlspec.core.partitions import GROUPS, LAYERS


class PartitionError(ValueError):
    """The image does not hold the parts that a spec declares."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        """The key of ``layers`` in the spec that is wrong."""


def layers_around(
    mask: NDArray[np.bool_],
    norm: str,
    count: int | None = None,
    groups: Sequence[Sequence[int]] | None = None,
) -> Layering:
    """Return the layering of pixels by their distance to ``mask`` ``(H, W)``.

    ``norm`` is ``l1``, ``l2`` or ``linf``; with ``l2`` layer ``d`` holds the distances ``d-1 < dist
    <= d``. ``count`` keeps the first layers only, ``groups`` merges layers into the declared ones;
    pixels of no kept layer do not move. Raises ValueError for an empty mask, and PartitionError for
    layers that do not exist.
    """
    index = distances(mask, norm)
    if groups is not None:
        index = merged(index, groups)
        return Layering(index, len(groups), GROUPS, distances=nearest_of(groups))
    nearest, count = first_layers(index, count)
    return Layering(nearest, count, LAYERS)


def first_layers(index: Index, count: int | None) -> tuple[Index, int]:
    """Return ``index`` ``(H, W)`` with only its first ``count`` layers kept (None: all), and how
    many those are; raises PartitionError where there are fewer."""
    available = int(index.max()) + 1
    count = available if count is None else count
    if not 1 <= count <= available:
        raise PartitionError("count", f"{count} layers do not exist: the image holds {available}")
    return np.where(index < count, index, Layering.FIXED), count


def merged(index: Index, groups: Sequence[Sequence[int]]) -> Index:
    """Return for each pixel of ``index`` ``(H, W)`` the group of its layer, or ``FIXED``; raises
    PartitionError for layers that do not exist or are there twice."""
    available = int(index.max()) + 1
    group_of = np.full(available, Layering.FIXED)
    for number, members in enumerate(groups):
        for member in members:
            if not 0 <= member < available:
                message = f"layer {member} does not exist: the last one is {available - 1}"
                raise PartitionError("groups", message)
            if group_of[member] != Layering.FIXED:
                message = f"layer {member} is there twice: it belongs to one group"
                raise PartitionError("groups", message)
            group_of[member] = number
    return group_of[index]


def nearest_of(groups: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Return the distance of each group: that of its nearest pixel."""
    return np.array([min(members) for members in groups], dtype=np.int64)


def distances(mask: NDArray[np.bool_], norm: str) -> Index:
    """Return the number ``(H, W)`` of the layer around ``mask`` that each pixel is in."""
    if not mask.any():
        raise ValueError("the mask is empty")
    return _distances(mask, norm).astype(np.int64)


def _distances(mask: NDArray[np.bool_], norm: str) -> NDArray[np.float64]:
    match norm:
        case "l1":
            return np.asarray(ndimage.distance_transform_cdt(~mask, "taxicab"), dtype=np.float64)
        case "linf":
            return np.asarray(ndimage.distance_transform_cdt(~mask, "chessboard"), dtype=np.float64)
        case "l2":
            # Squared distances of pixels are whole numbers: rounding removes the error of the root.
            squared = np.round(np.square(ndimage.distance_transform_edt(~mask)))
            return np.asarray(np.ceil(np.sqrt(squared)))
        case _:
            raise ValueError(f"unknown norm {norm!r}")
