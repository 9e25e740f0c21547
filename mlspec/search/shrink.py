"""CEGIS shrink policies, from a refused eps towards the robust eps*:

    eps' = eps * cw + eps* * (1 - cw)

They differ in the weights ``cw`` in [0, 1] per layer: 0 sends a layer back to ``eps*`` at once, 1
leaves it alone. A new policy is one class here, an entry in ``POLICIES``, and its name in the spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy


@dataclass(frozen=True, eq=False)
class ShrinkFacts:
    """What a policy may know of the layers, each ``(R,)``, and of the spec."""

    distances: NDArray[np.int64]
    """From the object, in pixels."""
    sensitivities: Array
    """Of the target's margin to the layer's pixels, at the image."""
    prose: bool = False
    """Whether the spec says ``order: prose``."""


class Policy(ShrinkPolicy, Protocol):
    """A policy of the registry."""

    name: ClassVar[str]
    """As ``shrink.policy`` of a spec has it."""

    @classmethod
    def of(cls, facts: ShrinkFacts) -> Self:
        """Return the policy for one problem."""
        ...


@dataclass(frozen=True, eq=False)
class FixedShrink:
    """Far layers give way first: ``cw_d = (r - d) / (r + 1)`` at distance ``d``; the farthest
    layer, at ``r``, returns to ``eps*`` at once."""

    weights: Array
    name: ClassVar[str] = "fixed"

    @classmethod
    def of(cls, facts: ShrinkFacts) -> Self:
        """Return the policy by the layers' distances."""
        farthest = facts.distances.max()
        return cls((farthest - facts.distances) / (farthest + 1.0))

    def shrink(self, eps: Array, robust: Array, extents: Array | None) -> Array:
        """Return ``eps * cw + robust * (1 - cw)``, whatever the witness."""
        return _between(eps, robust, self.weights)


@dataclass(frozen=True, eq=False)
class SensitivityShrink:
    """Layers shrink by vanilla-gradient sensitivity (Simonyan, Vedaldi, Zisserman 2013).

    By the formula the more sensitive layer gets the smaller weight and shrinks more; with ``order:
    prose`` the less sensitive layers shrink more. The weights have the range of ``fixed``: 0 to
    ``(R - 1) / R``.
    """

    weights: Array
    name: ClassVar[str] = "sensitivity"

    @classmethod
    def of(cls, facts: ShrinkFacts) -> Self:
        """Return the policy by the layers' sensitivities."""
        layers = len(facts.sensitivities)
        most = max(float(facts.sensitivities.max()), np.finfo(np.float64).tiny)
        share = facts.sensitivities / most
        return cls((layers - 1) / layers * (share if facts.prose else 1.0 - share))

    def shrink(self, eps: Array, robust: Array, extents: Array | None) -> Array:
        """Return ``eps * cw + robust * (1 - cw)``, whatever the witness."""
        return _between(eps, robust, self.weights)


@dataclass(frozen=True)
class UniformShrink:
    """All layers shrink alike: bisection."""

    weight: float = 0.5
    """Weight of the violated eps; that of the robust eps is the rest."""
    name: ClassVar[str] = "uniform"

    @classmethod
    def of(cls, facts: ShrinkFacts) -> Self:
        """Return the policy, the same for all problems."""
        return cls()

    def shrink(self, eps: Array, robust: Array, extents: Array | None) -> Array:
        """Return the mean of ``eps`` and ``robust``."""
        return _between(eps, robust, np.full(len(eps), self.weight))


@dataclass(frozen=True)
class CounterexampleShrink:
    """Layers in which the witness leaves the robust box shrink; all of them without a witness."""

    weight: float = 0.5
    """Weight of the violated eps in the layers that shrink."""
    negligible: float = 1e-12
    """A layer this close to its robust end, as a pixel intensity, cannot shrink further."""
    name: ClassVar[str] = "counterexample"

    @classmethod
    def of(cls, facts: ShrinkFacts) -> Self:
        """Return the policy, the same for all problems."""
        return cls()

    def shrink(self, eps: Array, robust: Array, extents: Array | None) -> Array:
        """Return the mean of ``eps`` and ``robust`` where the witness moved beyond ``robust``."""
        blamed = np.ones(len(eps), dtype=bool) if extents is None else extents > robust
        if not (blamed & (eps - robust > self.negligible)).any():
            blamed = np.ones(len(eps), dtype=bool)
        return _between(eps, robust, np.where(blamed, self.weight, 1.0))


POLICIES: Final[dict[str, type[Policy]]] = {
    policy.name: policy
    for policy in (FixedShrink, SensitivityShrink, UniformShrink, CounterexampleShrink)
}
"""Every ``shrink.policy`` of a spec."""


def _between(eps: Array, robust: Array, weights: Array) -> Array:
    # Clipping keeps robust <= eps' <= eps exactly, whatever the products round to.
    return np.clip(eps * weights + robust * (1.0 - weights), np.minimum(robust, eps), eps)
