"""What the parts expect of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mlspec.core.deadline import Deadline
from mlspec.core.events import Event
from mlspec.core.network import Array
from mlspec.core.trace import Cut, Refutation, Trace
from mlspec.core.verdict import CertifiedMargin, Verdict, WeakestPoints

Path = Callable[[Array], Array]
"""A monotone path: shares ``(S,)`` in [0, 1] to eps vectors ``(S, R)``, no entry of which falls as
the share grows."""

Steer = Callable[[WeakestPoints], Array]
"""From the weakest points of a neighborhood to weights ``(R,)`` that a search steps by."""


class MarginSlopes(Protocol):
    """The margin of the neighborhood of an eps ``(R,)``, linearised in it."""

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
        """Whether the smallest margin is not positive, or not certified to be."""
        ...


class NeighborhoodProof(Protocol):
    """A proof of one neighborhood that certifies others too, and can be extended to more."""

    @property
    def ceiling(self) -> Array:
        """The radius ``(R,)`` up to which it can be extended."""
        ...

    def certified(self, eps: Array) -> Verdict | None:
        """Return the verdict on ``eps`` ``(R,)`` if the proof certifies it as it is."""
        ...

    def half_spaces(self, eps: Array) -> tuple[Array, Array]:
        """Return rows ``(L, R)``, none of them negative, and limits ``(L,)``: radii up to the
        ceiling with ``rows @ eps' <= limits`` are certified, but for rounding, once something is
        proved.
        They are tight at ``eps`` ``(R,)``."""
        ...

    def extend(self, eps: Array, deadline: Deadline) -> Verdict:
        """Prove ``eps`` ``(R,)``, of which no entry is above the ceiling, or find a violation."""
        ...


class Verifier(Protocol):
    """Answers for layered neighborhoods of one problem; ``eps`` is ``(R,)``.

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
        """Return the cut of ``witness``, clipped to the smallest neighborhood on ``path`` in which
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

    def minimisers(self, eps: Array, deadline: Deadline) -> WeakestPoints:
        """Return the images of least margin, as exactly as ``deadline`` allows."""
        ...

    def proof(self, ceiling: Array, deadline: Deadline) -> NeighborhoodProof | None:
        """Open a proof for the radii up to ``ceiling`` ``(R,)``, of which nothing is proved yet but
        what bounds say; None where there is no model."""
        ...

    def refute(self, vertices: Array, deadline: Deadline) -> Refutation:
        """Look for a proof that no convex combination of ``vertices`` ``(V, R)`` is robust."""
        ...


class ShrinkPolicy(Protocol):
    """How CEGIS shrinks an eps that is not robust towards one that is."""

    def shrink(self, eps: Array, robust: Array, extents: Array | None) -> Array:
        """Return an eps between ``robust`` and ``eps`` (componentwise), closer to ``robust``.

        ``extents`` are those of a violating image in the neighborhood of ``eps``, if there is one.
        All are ``(R,)``.
        """
        ...


class Watcher(Protocol):
    """Is told of everything a search does, before it happens."""

    def __call__(self, trace: Trace, event: Event) -> None:
        """Take note of ``trace``, as it is now, and of what comes next."""
        ...
