"""How a result calls the moves of a search: the variable ``step_note``."""

from __future__ import annotations

from collections.abc import Sequence

from mlspec.core.layering import Layering
from mlspec.core.naming import parts_name
from mlspec.core.trace import Move


def move_name(move: Move, grown: Sequence[int], layering: Layering) -> str:
    """Return what led to a step: ``CEGIS``, ``bounds``, or the parts that grew alone, such as
    ``layer 3``."""
    return parts_name(layering, grown) if move is Move.GROUP else move.value
