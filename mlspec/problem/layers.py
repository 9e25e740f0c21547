"""Object mask to layers: the distance of every pixel to the object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mlspec.core.layering import FIXED, Layering


def layers_around(
    mask: NDArray[np.bool_],
    norm: str,
    count: int | None = None,
    groups: Sequence[Sequence[int]] | None = None,
) -> Layering:
    """Return the layering of pixels by their distance to ``mask`` ``(H, W)``.

    ``norm`` is ``l1``, ``l2`` or ``linf``; with ``l2`` layer ``d`` holds the distances ``d-1 < dist
    <= d``. ``count`` keeps the first layers only, ``groups`` merges layers into the declared ones;
    pixels of no kept layer do not move. Raises ValueError for an empty mask and for layers that do
    not exist.
    """
    if not mask.any():
        raise ValueError("the mask is empty")
    index = _distances(mask, norm).astype(np.int16)
    available = int(index.max()) + 1
    if groups is not None:
        merged = np.full(available, FIXED, dtype=np.int16)
        for number, members in enumerate(groups):
            for member in members:
                if not 0 <= member < available:
                    raise ValueError(
                        f"layer {member} does not exist: the last one is {available - 1}"
                    )
                if merged[member] != FIXED:
                    raise ValueError(f"layer {member} is there twice: it belongs to one group")
                merged[member] = number
        return Layering(merged[index], len(groups))
    count = available if count is None else count
    if not 1 <= count <= available:
        raise ValueError(f"{count} layers do not exist: the image holds {available}")
    return Layering(np.where(index < count, index, FIXED).astype(np.int16), count)


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
