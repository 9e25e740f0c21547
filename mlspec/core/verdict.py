"""What a verifier says of one neighborhood, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from mlspec.core.network import Array
from mlspec.tolerances import ROBUST_MARGIN


class Outcome(StrEnum):
    """The answer to "is this neighborhood robust?"."""

    ROBUST = "robust"
    """Proved by bounds, or by dual bounds of linear programs, computed in float64."""
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

    @property
    def bounds(self) -> bool:
        """Whether this is a stage of bounds: its name is one that ``verifier.bounds`` takes."""
        match self:
            case Stage.INTERVAL | Stage.CROWN | Stage.ALPHA:
                return True
            case Stage.RECALL | Stage.ATTACK | Stage.MILP:
                return False
            case _:
                assert_never(self)


class Proof(StrEnum):
    """What an answer rests on. A solver's own word is never a proof: see ``Verdict.claim``."""

    BOUNDS = "bounds"
    """Interval, CROWN or alpha-CROWN bounds, computed in float64 and lowered by what rounding may
    have cost: they hold in exact arithmetic."""
    DUAL_BOUNDS = "dual bounds in float64"
    """Bounds, and for what they left open dual bounds of linear programs, computed in float64 from
    the solver's multipliers: they hold whatever the solver's tolerances (Neumaier and Shcherbina
    2004)."""
    REPLAY = "replayed image"
    """An image of the neighborhood that violates in a float64 forward pass."""
    NONE = "none"
    """Nothing is proved."""


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
    """VIOLATED: how far the witness leaves the centre, by radius index, ``(R,)``."""
    reason: str = ""
    """UNKNOWN: why no stage could decide."""
    proof: Proof = Proof.NONE
    """What the answer rests on."""
    claim: str = ""
    """The solvers, if any, that claim a ROBUST which is not proved."""
    complete: bool = False
    """The complete stage (MILP) was needed."""
    seconds: float = 0.0
    accounts: tuple[Account, ...] = ()
    """The stages that were asked, in order."""

    def __post_init__(self) -> None:
        match self.outcome:
            case Outcome.ROBUST:
                if self.proof not in (Proof.BOUNDS, Proof.DUAL_BOUNDS):
                    raise ValueError("ROBUST needs a proof by bounds")
            case Outcome.VIOLATED:
                if self.witness is None or self.proof is not Proof.REPLAY:
                    raise ValueError("VIOLATED needs a witness that was replayed")
            case Outcome.UNKNOWN:
                if not self.reason or self.proof is not Proof.NONE:
                    raise ValueError("UNKNOWN needs a reason, and has no proof")
            case _:
                assert_never(self.outcome)

    @property
    def robust(self) -> bool:
        """Whether the neighborhood is certified."""
        return self.outcome is Outcome.ROBUST

    @property
    def basis(self) -> str:
        """What the answer rests on, in words."""
        return f"claimed by {self.claim}" if self.claim else self.proof.value


@dataclass(frozen=True, eq=False)
class WeakestPoints:
    """Images of a neighborhood with the smallest margins an attack found, weakest first."""

    images: Array
    """``(N, C, H, W)``, inside the neighborhood."""
    margins: Array
    """``(N,)``: the property's margin in float64; the first is an upper bound of the robustness
    level."""
    extents: Array
    """``(N, R)``: how far each image leaves the centre, by radius index."""
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
