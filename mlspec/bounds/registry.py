"""All bounders there are, from cheap to dear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mlspec.bounds.alpha import AlphaCrown
from mlspec.bounds.bounder import Bounder
from mlspec.bounds.context import BoundsContext
from mlspec.bounds.crown import Crown
from mlspec.bounds.interval import Interval


class Method(Protocol):
    """The numbers of a bounder."""

    def on(self, context: BoundsContext) -> Bounder:
        """Return the bounds of one property."""
        ...


def methods(alpha: AlphaCrown) -> tuple[Method, ...]:
    """Return the numbers of all bounders, from cheap to dear."""
    return Interval(), Crown(), alpha


METHODS = methods(AlphaCrown())


def bounders(
    name: str, context: BoundsContext, methods: Sequence[Method] = METHODS
) -> tuple[Bounder, ...]:
    """Return the bounder of this name, after those that are cheaper."""
    found = tuple(method.on(context) for method in methods)
    names = [each.stage.value for each in found]
    if name not in names:
        raise ValueError(f"no bounds '{name}': there are {', '.join(names)}")
    return found[: names.index(name) + 1]
