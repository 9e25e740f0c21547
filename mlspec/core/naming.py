"""How to call the parts of a partition in messages, tables and figures."""

from __future__ import annotations

from collections.abc import Sequence

from mlspec.core.layering import Layering


def counted(layering: Layering) -> str:
    """Return the number of parts in words: ``40 layers``, ``16 boxes, up and down``."""
    kind = layering.kind
    if kind.whole:
        epsilons = "2 epsilons, down and up," if layering.asymmetric else "1 epsilon"
        return f"{epsilons} for the whole image"
    words = f"{layering.layers} {kind.part if layering.layers == 1 else kind.parts}"
    return f"{words}, up and down" if layering.asymmetric else words


def part_name(layering: Layering, radius: int) -> str:
    """Return how to call what a radius holds for: ``layer 3``, ``box at rows 0-7, columns 8-15``,
    ``pixel at row 3, column 7 up``."""
    name, kind = layering.radius_names[radius], layering.kind
    if kind.whole:
        return name.replace(layering.layer_names[0], "the image")
    if not layering.names:
        return f"{kind.part} {name}"
    return f"{kind.part} at {name}" if kind.located else name


def parts_name(layering: Layering, radii: Sequence[int]) -> str:
    """Return how to call what several radii hold for: ``3 epsilons (layer 1 to layer 4)``; at least
    one index is given."""
    if len(radii) == 1:
        return part_name(layering, radii[0])
    first, last = part_name(layering, min(radii)), part_name(layering, max(radii))
    return f"{len(radii)} epsilons ({first} to {last})"
