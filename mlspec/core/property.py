"""What must stay true of the scores: decision rules, and the claims every stage works on.

A decision rule becomes one *claim* per target label ``t``: ``N`` linear margins of the scores. The
claim is violated iff at least ``k`` of them are non-positive, that is, iff all margins of some
``k``-subset are. Axes: ``B`` images, ``M`` labels, ``N`` margins.

- ``top_k``: the margins ``f_t - f_c`` over the other labels ``c``; ``t`` drops out of the ``k``
  highest scores iff ``k`` others reach it (a tie counts as violating).
- ``threshold``: the single margin ``f_t - tau_t`` with ``k = 1``.

That a label is *never* predicted is a claim as well (the *counterclaim*), over the opposite
margins:

- ``top_k``: of the ``M - 1`` margins ``f_c - f_t`` at least ``k`` stay positive, that is, fewer
  than ``M - k`` are non-positive.
- ``threshold``: the single margin ``tau_t - f_t``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array


@dataclass(frozen=True, eq=False)
class Claim:
    """The label ``target`` stays predicted, or stays out: fewer than ``k`` of the margins are
    non-positive."""

    target: int
    rows: Array
    """``(N, M)``: the margins are ``rows @ scores + offsets``."""
    offsets: Array
    """``(N,)``."""
    competitors: tuple[int, ...]
    """``(N,)``: the label that each margin compares the target with; for a threshold, the target
    itself."""
    k: int

    def margins(self, scores: Array) -> Array:
        """Return the margins ``(B, N)`` for ``scores`` ``(B, M)``."""
        return np.asarray(scores @ self.rows.T + self.offsets)

    def margin(self, scores: Array) -> Array:
        """Return the claim's margin ``(B,)``: the k-th smallest; violated where it is <= 0."""
        return np.partition(self.margins(scores), self.k - 1, axis=1)[:, self.k - 1]

    def smallest(self, scores: Array, count: int | None = None) -> NDArray[np.intp]:
        """Return the numbers of the ``count`` smallest margins for ``scores`` ``(M,)``, the
        smallest first; ``k`` of them by default."""
        order = np.argsort(self.margins(scores[None])[0], kind="stable")
        return order[: self.k if count is None else count]

    def subsets(self, open_rows: NDArray[np.bool_]) -> list[tuple[int, ...]]:
        """Return the ``k``-subsets of the margins for which ``open_rows`` ``(N,)`` is true, in row
        order."""
        return list(combinations(np.flatnonzero(open_rows).tolist(), self.k))


@dataclass(frozen=True)
class TopK:
    """The predicted labels are the ``k`` highest scores."""

    k: int

    def predicted(self, scores: Array) -> NDArray[np.bool_]:
        """Return ``(B, M)``: label is predicted, whatever breaks a tie against it."""
        reached = (scores[:, None, :] >= scores[:, :, None]).sum(axis=2) - 1
        return np.asarray(reached < self.k)

    def claim(self, target: int, labels: int) -> Claim:
        """Return the claim that ``target`` is among the ``k`` highest of ``labels`` scores."""
        others = [label for label in range(labels) if label != target]
        rows = -np.eye(labels)[others]
        rows[:, target] = 1.0
        return Claim(target, rows, np.zeros(len(others)), tuple(others), self.k)

    def counterclaim(self, target: int, labels: int) -> Claim:
        """Return the claim that ``target`` is not among the ``k`` highest of ``labels`` scores."""
        claim = self.claim(target, labels)
        return Claim(target, -claim.rows, -claim.offsets, claim.competitors, labels - self.k)


@dataclass(frozen=True)
class Threshold:
    """Every label whose logit exceeds its ``tau`` is predicted; ``tau`` has one value per label."""

    tau: tuple[float, ...]

    def predicted(self, scores: Array) -> NDArray[np.bool_]:
        """Return ``(B, M)``: label is predicted (a tie is not)."""
        return np.asarray(scores > np.asarray(self.tau))

    def claim(self, target: int, labels: int) -> Claim:
        """Return the claim that the logit of ``target`` exceeds its threshold."""
        return Claim(target, np.eye(labels)[[target]], np.array([-self.tau[target]]), (target,), 1)

    def counterclaim(self, target: int, labels: int) -> Claim:
        """Return the claim that the logit of ``target`` stays below its threshold."""
        claim = self.claim(target, labels)
        return Claim(target, -claim.rows, -claim.offsets, claim.competitors, 1)


DecisionRule = TopK | Threshold


@dataclass(frozen=True)
class Property:
    """All ``targets`` stay predicted under ``rule``, and none of ``absent`` ever is."""

    rule: DecisionRule
    targets: tuple[int, ...]
    labels: int
    absent: tuple[int, ...] = ()
    """Labels that must stay out; a property has either targets or these, as attacks need claims of
    one ``k``."""
    slack: tuple[float, ...] = ()
    """One per label, or none: every margin is lowered by ``|row| . slack``, or raised where that is
    negative. With the error of a score as its slack, what holds of the exact scores holds of all
    scores within the errors."""

    @property
    def exact_claims(self) -> tuple[Claim, ...]:
        """The claims without slack."""
        stay = (self.rule.claim(target, self.labels) for target in self.targets)
        return (*stay, *(self.rule.counterclaim(label, self.labels) for label in self.absent))

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """One claim per target, or per absent label; ``k`` and ``N`` are the same for all."""
        if not self.slack:
            return self.exact_claims
        slack = np.array(self.slack)
        return tuple(
            replace(claim, offsets=claim.offsets - np.abs(claim.rows) @ slack)
            for claim in self.exact_claims
        )

    def weakest_claim(self, scores: Array) -> Claim:
        """Return the claim of the smallest margin for ``scores`` ``(M,)``."""
        return min(self.claims, key=lambda claim: float(claim.margin(scores[None])[0]))

    def margin(self, scores: Array) -> Array:
        """Return ``(B,)``: the smallest claim margin; the property is violated where it is <= 0."""
        return np.asarray(np.min([claim.margin(scores) for claim in self.claims], axis=0))
