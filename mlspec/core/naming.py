"""How to call the parts of a partition."""

from __future__ import annotations

from mlspec.core.layering import Layering

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
