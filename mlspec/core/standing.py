"""How labels stand within one neighborhood: which are always, never or sometimes predicted.

The question is that of MuLLoC (static analysis of multi-label classifiers, SAS 2024). Axes: ``M``
labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array
from mlspec.core.verdict import Proof, Stage


class Standing(StrEnum):
    """Whether a label is predicted within a neighborhood."""

    ALWAYS = "always"
    """On every image: proved."""
    NEVER = "never"
    """On no image: proved."""
    EITHER = "either"
    """On one image and not on another: both were replayed in float64."""
    UNKNOWN = "unknown"
    """Not decided; the reason says why."""


class Order(IntEnum):
    """Whether the score of one label exceeds that of another on every image."""

    OPEN = 0
    """Neither is known."""
    REFUTED = 1
    """It does not on some image, replayed in float64."""
    PROVED = 2
    """It does: proved by bounds."""


@dataclass(frozen=True)
class LabelVerdict:
    """How one label stands, and what that rests on."""

    label: int
    standing: Standing
    stage: Stage
    """The stage that decided, or gave up last."""
    proof: Proof
    margin: float | None = None
    """ALWAYS, NEVER: a certified lower bound of the claim's margin."""
    reason: str = ""
    """UNKNOWN: why no stage could decide."""
    complete: bool = False
    """The complete stage (MILP) was needed."""

    def __post_init__(self) -> None:
        match self.standing:
            case Standing.ALWAYS | Standing.NEVER:
                if self.proof not in (Proof.BOUNDS, Proof.DUAL_BOUNDS):
                    raise ValueError(f"{self.standing} needs a proof by bounds")
            case Standing.EITHER:
                if self.proof is not Proof.REPLAY:
                    raise ValueError("EITHER needs images that were replayed")
            case Standing.UNKNOWN:
                if not self.reason or self.proof is not Proof.NONE:
                    raise ValueError("UNKNOWN needs a reason, and has no proof")
            case _:
                assert_never(self.standing)


@dataclass(frozen=True, eq=False)
class LabelRelations:
    """What is known of all labels of one neighborhood."""

    verdicts: tuple[LabelVerdict, ...]
    """``(M,)``, in the order of the labels."""
    order: NDArray[np.int8]
    """``(M, M)``: an ``Order`` for ``score[row] > score[column]``; the diagonal is REFUTED."""
    scores_lower: Array
    """``(M,)``: certified lower bounds of the scores over the neighborhood."""
    scores_upper: Array
    """``(M,)``: certified upper bounds."""
    predicted: dict[int, Array]
    """By label: an image ``(C, H, W)`` of the neighborhood on which it is predicted."""
    missing: dict[int, Array]
    """By label: an image ``(C, H, W)`` of the neighborhood on which it is not."""
    seconds: float = 0.0

    @property
    def complete_queries(self) -> int:
        """For how many labels the complete stage was asked."""
        return sum(verdict.complete for verdict in self.verdicts)
