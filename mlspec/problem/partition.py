"""Which pixels share an epsilon: layers of one object or of several, groups, boxes, pixels, all.

Layers, boxes and pixels are numbered from the object outwards: by their distance, then row by row;
groups as they are listed, and the layers of each object after those of the one before. The distance
of a part is that of its nearest pixel, so weights that favour what is near mean the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from mlspec.core.layering import Index, Layering
from mlspec.core.partitions import GRID, PARTITIONS, PIXELS, WHOLE, PartitionKind
from mlspec.problem.layers import (
    PartitionError,
    distances,
    first_layers,
    layers_around,
    merged,
    nearest_of,
)
from mlspec.spec.layers import LayerCount, LayerGrid, LayerGroups, LayerPixels, Layers, LayerWhole

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Centre:
    """An object that layers surround."""

    mask: Mask
    """``(H, W)``."""
    label: str
    """Its label; empty where nobody names it."""


def names_of(centres: Sequence[Centre]) -> list[str]:
    """Return the label of each of several ``centres``, or its number."""
    return [centre.label or f"object {number}" for number, centre in enumerate(centres, start=1)]


def partition(layers: Layers, centres: Sequence[Centre], norm: str, each: bool) -> Layering:
    """Return the partition that ``layers`` declares around ``centres``.

    Distances, in pixels by ``norm``, are those to the nearest centre. If ``each``, every centre has
    layers (or groups) of its own, made of the pixels it is nearest to; a pixel at the same distance
    from two belongs to the one that comes first. Raises ValueError for an empty mask, and
    PartitionError for parts that the image does not hold.
    """
    if each:
        return _of_each(layers, centres, norm)
    mask = np.logical_or.reduce([centre.mask for centre in centres])
    match layers:
        case LayerCount(count=count):
            return layers_around(mask, norm, count=_number(count))
        case LayerGroups(groups=groups):
            return layers_around(mask, norm, groups=groups)
        case LayerGrid(count=count):
            rows, columns = _edges(layers, mask.shape)
            return _parts(GRID, rows, columns, mask, norm, count)
        case LayerPixels(count=count):
            rows, columns = (np.arange(size + 1) for size in mask.shape)
            return _parts(PIXELS, rows, columns, mask, norm, count)
        case LayerWhole():
            return Layering(np.zeros(mask.shape, dtype=np.int64), 1, WHOLE, ("all pixels",))
        case _:
            assert_never(layers)


def _number(count: int | Literal["all"]) -> int | None:
    return None if count == "all" else count


def _edges(grid: LayerGrid, shape: tuple[int, ...]) -> tuple[Index, Index]:
    """Return the first row of each row of boxes and the end of the last, and the same of
    columns."""
    key, wanted = ("box", grid.box) if grid.box else ("split", grid.split or (1, 1))
    if wanted[0] > shape[0] or wanted[1] > shape[1]:
        thing = f"a box of {_by(wanted)} pixels is" if grid.box else f"{_by(wanted)} boxes are"
        raise PartitionError(key, f"{thing} more than the image holds, {_by(shape)}")
    rows, columns = (
        np.append(np.arange(0, size, number), size)
        if grid.box
        else np.arange(number + 1) * size // number
        for size, number in zip(shape, wanted, strict=True)
    )
    return rows, columns


def _parts(
    kind: PartitionKind,
    rows: Index,
    columns: Index,
    mask: Mask,
    norm: str,
    count: int | Literal["all"],
) -> Layering:
    """Return the boxes between the edges ``rows`` and ``columns``, as far as they move."""
    depth, _ = first_layers(distances(mask, norm), _number(count))
    y, x = np.indices(mask.shape)
    width = len(columns) - 1
    row, column = (
        np.asarray(np.searchsorted(edges, at, side="right") - 1)
        for edges, at in ((rows, y), (columns, x))
    )
    boxes = row * width + column
    moving = depth != Layering.FIXED
    nearest = np.full(boxes.max() + 1, depth.max() + 1)
    np.minimum.at(nearest, boxes[moving], depth[moving])
    order = np.argsort(nearest, kind="stable")[: len(np.unique(boxes[moving]))]
    numbers = np.full(len(nearest), Layering.FIXED)
    numbers[order] = np.arange(len(order))
    names = tuple(
        f"{_span('row', rows, box // width)}, {_span('column', columns, box % width)}"
        for box in order.tolist()
    )
    index = np.where(moving, numbers[boxes], Layering.FIXED)
    return Layering(index, len(order), kind, names, nearest[order])


def _span(word: str, edges: Index, number: int) -> str:
    first, last = int(edges[number]), int(edges[number + 1]) - 1
    return f"{word} {first}" if first == last else f"{word}s {first}-{last}"


def _of_each(layers: Layers, centres: Sequence[Centre], norm: str) -> Layering:
    depths = np.stack([distances(centre.mask, norm) for centre in centres])
    depth: Index = np.min(depths, axis=0)
    owner: Index = np.argmin(depths, axis=0)
    match layers:
        case LayerCount(count=count):
            level, _ = first_layers(depth, _number(count))
            far, word = np.arange(level.max() + 1), "layer"
        case LayerGroups(groups=groups):
            level, far, word = merged(depth, groups), nearest_of(groups), "group"
        case LayerGrid() | LayerPixels() | LayerWhole():
            raise ValueError(f"objects have no {layers.partition} of their own")
        case _:
            assert_never(layers)
    keys = np.where(level == Layering.FIXED, Layering.FIXED, owner * (level.max() + 1) + level)
    found, numbers = np.unique(keys[keys != Layering.FIXED], return_inverse=True)
    index = np.full(keys.shape, Layering.FIXED)
    index[keys != Layering.FIXED] = numbers
    which, number_of = np.divmod(found, level.max() + 1)
    labels = names_of(centres)
    names = tuple(f"{labels[w]}: {word} {d}" for w, d in zip(which, number_of, strict=True))
    return Layering(index, len(found), PARTITIONS[layers.partition], names, far[number_of])


def _by(shape: Sequence[int]) -> str:
    return " × ".join(str(size) for size in shape)
