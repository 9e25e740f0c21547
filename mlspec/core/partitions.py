"""The kinds of partition, and what each kind means for names, tables and figures.

A partition says which pixels share an epsilon. Everything that depends on its kind, other than how
it is built, is a trait here: whoever names, prints or draws the parts asks the trait and never the
kind itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Borders(StrEnum):
    """The borders that a picture of the parts shows."""

    RINGS = "rings"
    """A border at every few pixels of distance from the object."""
    CELLS = "cells"
    """The border of every part."""
    NONE = "none"


@dataclass(frozen=True)
class PartitionKind:
    """One kind of partition."""

    name: str
    """As ``layers.partition`` of a spec has it."""
    part: str
    """What to call one part."""
    parts: str
    """What to call several."""
    order: str
    """What the numbers of the parts mean, beside the axis of a plot."""
    borders: Borders = Borders.RINGS
    concentric: bool = False
    """Parts surround an object: each of several objects may have parts of its own."""
    first_is_object: bool = False
    """Part 0 is the object itself and part ``d`` holds the pixels at distance ``d``."""
    located: bool = False
    """A part is a region of the image and is named by its rows and columns. Many of them are drawn
    over their distance from the object instead of over their numbers."""
    whole: bool = False
    """The one part is the whole image."""


LAYERS: Final = PartitionKind(
    "layers", "layer", "layers", "0 is the object", concentric=True, first_is_object=True
)
GROUPS: Final = PartitionKind("groups", "group", "groups", "as listed in the spec", concentric=True)
GRID: Final = PartitionKind(
    "grid", "box", "boxes", "from the object outwards", Borders.CELLS, located=True
)
PIXELS: Final = PartitionKind(
    "pixels", "pixel", "pixels", "from the object outwards", Borders.NONE, located=True
)
WHOLE: Final = PartitionKind("whole", "image", "images", "", whole=True)

PARTITIONS: Final[Mapping[str, PartitionKind]] = {
    kind.name: kind for kind in (LAYERS, GROUPS, GRID, PIXELS, WHOLE)
}
"""Every ``layers.partition`` of a spec."""
