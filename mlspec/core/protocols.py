"""What the parts expect of each other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.trace import Cut, Refutation, Trace
from mlspec.core.verdict import CertifiedMargin, Verdict, WeakestPoints

Path = Callable[[Array], Array]
"""Shares ``(S,)`` in [0, 1] to radii ``(S, R)`` that grow with the share."""

Steer = Callable[[WeakestPoints], Array]
"""Weakest points of a neighborhood to weights ``(R,)`` of its layers."""


class Slopes(Protocol):
    """A margin near a neighborhood of radius ``eps`` ``(R,)``, as linear functions of it."""

    @property
    def margins(self) -> Array:
        """``(N,)``, the smallest first."""
        ...

    @property
    def slopes(self) -> Array:
        """``(N, R)``: d margin / d eps."""
        ...

    @property
    def lost(self) -> bool:
        """Whether there is no margin left."""
        ...


class Verifier(Protocol):
    """Answers for layered neighborhoods of one problem; radii ``eps`` are ``(R,)``.

    Every method that takes a ``deadline`` ends soon after it has passed, with the best sound answer
    it has by then: UNKNOWN, no certified margin, the weakest image seen so far, no violation, or no
    refutation.
    """

    def verify(self, eps: Array, deadline: Deadline) -> Verdict:
        """Decide whether the neighborhood is robust."""
        ...

    def bound(self, eps: Array, deadline: Deadline) -> Verdict:
        """Certify by bounds alone: ROBUST or UNKNOWN."""
        ...

    def certified(self, eps: Array, deadline: Deadline) -> CertifiedMargin:
        """Return the margin that bounds alone certify, with its gradient."""
        ...

    def reduced(self, witness: Array, path: Path) -> Cut:
        """Return the cut of ``witness``, moved into the smallest neighborhood on ``path`` in which
        it still violates."""
        ...

    def nearest(self, path: Path, deadline: Deadline) -> tuple[float, Cut] | None:
        """Return the least share of ``path`` at which an attack finds a violation, and that
        violation; None if it finds none."""
        ...

    def weakest(self, eps: Array, deadline: Deadline, *, thorough: bool = False) -> WeakestPoints:
        """Return the weakest points an attack finds; ``thorough`` spends as much on it as
        ``verify``."""
        ...

    def refute(self, radii: Array, deadline: Deadline) -> Refutation:
        """Look for a proof that no convex combination of ``radii`` ``(V, R)`` is robust."""
        ...


class ShrinkPolicy(Protocol):
    """Moves a refused radius towards a robust one."""

    def shrink(self, eps: Array, robust: Array, extents: Array | None) -> Array:
        """Return a radius between ``robust`` and ``eps`` (componentwise), closer to ``robust``.

        ``extents`` are those of the witness that refused ``eps``, if there is one. All are
        ``(R,)``.
        """
        ...


class Watcher(Protocol):
    """Is told of everything a search does, as it happens."""

    def __call__(self, trace: Trace, doing: str) -> None:
        """Take note of ``trace``; ``doing`` says in a few words what comes next."""
        ...


@dataclass(frozen=True)
class Budget:
    """What a search may spend."""

    seconds: float
    queries: int | None = None
    """Complete queries at most; no limit if None."""
    since: float = field(default_factory=time.monotonic)
    """When the seconds began, by ``time.monotonic()``."""
