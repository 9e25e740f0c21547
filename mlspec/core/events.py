"""What a search does, told to whoever watches it: one frozen dataclass for each kind of work.

``eps`` ``(R,)`` holds epsilons, ``r`` is a radius index, ``value`` one of the objective.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.core.network import Array
from mlspec.core.trace import Move, StopReason


@dataclass(frozen=True, eq=False)
class Proving:
    """A complete query is asked whether ``eps`` is robust."""

    eps: Array
    move: Move
    grown: tuple[int, ...] = ()
    """Of ``Move.GROUP``: the radius indices that grew."""


@dataclass(frozen=True, eq=False)
class Certified:
    """``eps`` is certified, and is the best so far."""

    eps: Array
    move: Move
    grown: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class StartingGrowth:
    """The optimizer asks for the margin at ``eps``, from where it will grow."""

    eps: Array


@dataclass(frozen=True, eq=False)
class Growing:
    """The optimizer tries ``eps``, one gradient step further."""

    eps: Array


@dataclass(frozen=True, eq=False)
class StartingSlp:
    """Sequential linear programming asks for the margin at ``eps``, its first point."""

    eps: Array


@dataclass(frozen=True, eq=False)
class SolvedSlpStep:
    """Sequential linear programming tries ``eps``, the optimum of its last linear program."""

    eps: Array


@dataclass(frozen=True, eq=False)
class MinimisingMargin:
    """The weakest images in ``eps`` are looked for, as exactly as the time allows."""

    eps: Array


@dataclass(frozen=True, eq=False)
class AttackingBeforeProof:
    """An attack of full effort looks for a violation in ``eps``, to save a complete query."""

    eps: Array


@dataclass(frozen=True, eq=False)
class OpeningProof:
    """Bounds and a model are made for all radii up to ``ceiling``."""

    ceiling: Array


@dataclass(frozen=True, eq=False)
class BracketingPath:
    """A minimum-norm attack looks for the first violation on the way to ``goal``."""

    goal: Array


@dataclass(frozen=True)
class BracketingLayer:
    """An attack looks for how far the epsilon ``r`` can grow while the others stay."""

    r: int


@dataclass(frozen=True)
class CertifyingLayers:
    """The certificate looks for a violation that blocks the epsilons ``grown``."""

    grown: tuple[int, ...]


@dataclass(frozen=True)
class LoweringUpperBound:
    """An attack looks for violations that lower the upper bound, now ``value``."""

    value: float


@dataclass(frozen=True)
class RefutingSlice:
    """Bounds try to show that no eps of ``value`` is robust, piece by piece."""

    value: float


@dataclass(frozen=True)
class Finished:
    """The search has ended."""

    reason: StopReason


Event = (
    Proving
    | Certified
    | StartingGrowth
    | Growing
    | StartingSlp
    | SolvedSlpStep
    | MinimisingMargin
    | AttackingBeforeProof
    | OpeningProof
    | BracketingPath
    | BracketingLayer
    | CertifyingLayers
    | LoweringUpperBound
    | RefutingSlice
    | Finished
)
