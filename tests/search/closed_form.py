"""A verifier whose answers are known: the margin falls linearly with eps, ``m - s . eps``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlspec.core.deadline import Deadline
from mlspec.core.protocols import Path
from mlspec.core.trace import Cut, Refutation
from mlspec.core.verdict import CertifiedMargin, Outcome, Proof, Stage, Verdict, WeakestPoints

Floats = NDArray[np.float64]


class LinearProof:
    """Certifies, once something is proved, what is clear of the hard part of the margin."""

    def __init__(self, verifier: LinearVerifier, ceiling: Floats) -> None:
        self.verifier, self.ceiling = verifier, ceiling
        self.begun = False

    def certified(self, eps: Floats) -> Verdict | None:
        left = self.verifier.left(eps)
        if not self.begun or left <= max(self.verifier.hard * self.verifier.margin, 0.0):
            return None
        return Verdict(Outcome.ROBUST, Stage.MILP, left, proof=Proof.DUAL_BOUNDS, complete=True)

    def half_spaces(self, eps: Floats) -> tuple[Floats, Floats]:
        margin = (1.0 - self.verifier.hard) * self.verifier.margin
        return self.verifier.slopes[None], np.array([margin])

    def extend(self, eps: Floats, deadline: Deadline) -> Verdict:
        assert np.all(eps <= self.ceiling)
        verdict = self.verifier.verify(eps, deadline)
        self.begun = self.begun or verdict.outcome is not Outcome.VIOLATED
        return verdict


class LinearVerifier:
    """Robust iff ``margin - slopes @ eps > 0``.

    Within ``hard`` (a share of the margin) of the boundary the complete stage gives up; bounds
    prove only ``bounded`` of the way; an attack sees the true margin. Images are (1, 1, K): one
    pixel per layer.
    """

    def __init__(
        self, margin: float, slopes: Floats, hard: float = 0.0, bounded: float = 0.6
    ) -> None:
        self.margin, self.slopes = margin, np.asarray(slopes, dtype=np.float64)
        self.hard, self.bounded = hard, bounded
        self.complete = 0
        self.wide = np.inf
        """Radii as far from each other are not refuted at once."""
        self.refuted: list[Floats] = []
        self.interrupt_after = np.inf

    def left(self, eps: Floats) -> float:
        """The margin that is left at ``eps``."""
        return float(self.margin - self.slopes @ eps)

    def optimum(self, weights: Floats) -> float:
        """The largest ``weights @ eps``: a fractional knapsack with capacities 1."""
        left, size = self.margin, 0.0
        for layer in np.argsort(-weights / np.maximum(self.slopes, 1e-300)):
            step = min(1.0, left / max(self.slopes[layer], 1e-300))
            size += weights[layer] * step
            left -= self.slopes[layer] * step
        return size

    def verify(self, eps: Floats, deadline: Deadline) -> Verdict:
        self.complete += 1
        if self.complete > self.interrupt_after:
            raise KeyboardInterrupt
        left = self.left(eps)
        if left <= 0.0:
            witness = eps.reshape(1, 1, -1).copy()
            return Verdict(
                Outcome.VIOLATED,
                Stage.MILP,
                left,
                witness,
                eps.copy(),
                proof=Proof.REPLAY,
                complete=True,
            )
        if left <= self.hard * self.margin:
            return Verdict(Outcome.UNKNOWN, Stage.MILP, reason="hard", complete=True)
        return Verdict(Outcome.ROBUST, Stage.MILP, left, proof=Proof.DUAL_BOUNDS, complete=True)

    def bound(self, eps: Floats, deadline: Deadline) -> Verdict:
        if self.slopes @ eps < self.bounded * self.margin:
            return Verdict(Outcome.ROBUST, Stage.CROWN, self.left(eps), proof=Proof.BOUNDS)
        return Verdict(Outcome.UNKNOWN, Stage.CROWN, reason="loose")

    def certified(self, eps: Floats, deadline: Deadline) -> CertifiedMargin:
        """What is left of what bounds prove."""
        left = self.bounded * self.margin - self.slopes @ eps
        return CertifiedMargin(np.array([left]), np.where(eps < 1.0, -self.slopes, 0.0)[None])

    def reduced(self, witness: Floats, path: Path) -> Cut:
        """The witness's image is its radius: the smallest broken one on the path, if it is
        smaller."""
        radii = np.minimum(path(np.linspace(0.0, 1.0, 257)), witness.ravel())
        broken = [eps for eps in radii if self.left(eps) <= 0.0]
        smallest = broken[0] if broken else witness.ravel()
        return Cut(smallest, smallest.reshape(1, 1, -1).copy())

    def proof(self, ceiling: Floats, deadline: Deadline) -> LinearProof:
        return LinearProof(self, ceiling)

    def refute(self, radii: Floats, deadline: Deadline) -> Refutation:
        """Where the margin is lost at all of some radii, it is lost between them."""
        for number, eps in enumerate(np.minimum(radii, 1.0)):
            if self.left(eps) > 0.0:
                return Refutation(False, number, ())
        throughout = float(np.ptp(radii, axis=0).max()) < self.wide
        if throughout:
            self.refuted.append(radii)
        return Refutation(throughout, None, (), max(self.left(eps) for eps in radii))

    def nearest(self, path: Path, deadline: Deadline) -> tuple[float, Cut] | None:
        """The first broken radius on the path, to one part in 2^20."""
        low, high = 0.0, 1.0
        if self.left(path(np.ones(1))[0]) > 0.0:
            return None
        for _ in range(20):
            middle = (low + high) / 2
            broken = self.left(path(np.array([middle]))[0]) <= 0.0
            low, high = (low, middle) if broken else (middle, high)
        (eps,) = path(np.array([high]))
        return high, Cut(eps, eps.reshape(1, 1, -1).copy())

    def weakest(self, eps: Floats, deadline: Deadline, *, thorough: bool = False) -> WeakestPoints:
        return WeakestPoints(
            eps.reshape(1, 1, 1, -1).copy(),
            np.array([self.left(eps)]),
            eps[None].copy(),
            np.where(eps < 1.0, -self.slopes, 0.0)[None],
        )

    def minimisers(self, eps: Floats, deadline: Deadline) -> WeakestPoints:
        return self.weakest(eps, deadline)
