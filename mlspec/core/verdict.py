"""What a verifier says of one neighborhood, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mlspec.core.network import Array
from mlspec.tolerances import ROBUST_MARGIN


class Outcome(StrEnum):
    """The answer to "is this neighborhood robust?"."""

    ROBUST = "robust"
    """Proved by a sound bound, or by a solver's proof of infeasibility."""
    VIOLATED = "violated"
    """A witness inside the neighborhood violates the property in a float64 forward pass."""
    UNKNOWN = "unknown"
    """Neither; the reason says why. Never raises the best certified epsilon."""


class Stage(StrEnum):
    """The stage of the cascade that gave the answer."""

    RECALL = "recall"
    """An earlier witness, or an earlier proof of a larger neighborhood."""
    ATTACK = "attack"
    INTERVAL = "interval"
    CROWN = "crown"
    ALPHA = "alpha"
    MILP = "milp"


@dataclass(frozen=True)
class Account:
    """What one stage did for a verdict."""

    stage: Stage
    seconds: float
    finding: str
    """What it found, in a few words."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """One answer with its evidence."""

    outcome: Outcome
    stage: Stage
    margin: float | None = None
    """ROBUST: a certified lower bound of the property's margin. VIOLATED: the witness's margin (<=
    0)."""
    witness: Array | None = None
    """VIOLATED: the violating image ``(C, H, W)``, replayed in float64."""
    extents: Array | None = None
    """VIOLATED: how far the witness leaves the centre, by radius, ``(R,)``."""
    reason: str = ""
    """UNKNOWN: why no stage could decide."""
    complete: bool = False
    """The complete stage (MILP) was needed."""
    seconds: float = 0.0
    accounts: tuple[Account, ...] = ()
    """The stages that were asked, in order."""

    def __post_init__(self) -> None:
        if self.outcome is Outcome.VIOLATED and self.witness is None:
            raise ValueError("VIOLATED needs a witness")
        if self.outcome is Outcome.UNKNOWN and not self.reason:
            raise ValueError("UNKNOWN needs a reason")

    @property
    def robust(self) -> bool:
        """Whether the neighborhood is certified."""
        return self.outcome is Outcome.ROBUST


@dataclass(frozen=True, eq=False)
class WeakestPoints:
    """Images of a neighborhood with the smallest margins an attack found, weakest first."""

    images: Array
    """``(N, C, H, W)``, inside the neighborhood."""
    margins: Array
    """``(N,)``: the property's margin in float64; the first is an upper bound of the robustness
    level."""
    extents: Array
    """``(N, R)``: how far each image leaves the centre, by radius."""
    slopes: Array
    """``(N, R)``: d margin / d eps at each point, by the envelope theorem; never positive."""

    @property
    def violates(self) -> bool:
        """Whether the weakest point violates the property."""
        return bool(self.margins[0] <= 0.0)

    @property
    def lost(self) -> bool:
        """Whether it violates: no margin is left, as the searches say."""
        return self.violates


@dataclass(frozen=True, eq=False)
class CertifiedMargin:
    """What bounds certify of a neighborhood, and how that falls as it grows."""

    margins: Array
    """``(1,)``: a certified lower bound of the property's margin."""
    slopes: Array
    """``(1, R)``: d margin / d eps."""

    @property
    def lost(self) -> bool:
        """Whether it is not certified."""
        return not self.margins[0] > ROBUST_MARGIN
