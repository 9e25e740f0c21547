"""What a search did: queries, steps, cuts, and the best certified neighborhood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from mlspec.core.network import Array
from mlspec.core.verdict import Outcome, Proof, Stage
from mlspec.tolerances import BOX_SLACK


class Ask(StrEnum):
    """What a search asked for."""

    COMPLETE = "complete"
    """A verdict, whatever it takes."""
    CERTIFICATE = "certificate"
    """A verdict on whether one layer can grow, once the strategy has ended."""
    BOUND = "bound"
    """Only whether the bounds certify it."""
    ATTACK = "attack"
    """Only whether an attack breaks the neighborhood."""
    LEVEL = "level"
    """The weakest images, as exactly as the time allows."""
    REFUTE = "refute"
    """Whether no convex combination of some eps vectors is robust."""

    @property
    def complete(self) -> bool:
        """Whether it counts as a complete query of the budget."""
        return self in (Ask.COMPLETE, Ask.CERTIFICATE)


class Move(StrEnum):
    """What led a search to a neighborhood that it tried; the value is how files call it."""

    RESUME = "resumed"
    """It is the answer of an earlier search."""
    BOUNDS = "bounds"
    """A bisection of what bounds certify along a segment."""
    ASCENT = "ascent"
    """A step along the gradient of the certified margin."""
    CEGIS = "CEGIS"
    """A proposal, or what counterexamples left of it."""
    POLYTOPE = "polytope"
    """The largest value that the leaves of a proof certify, which takes no query."""
    NEAR_BOUND = "near the bound"
    """An eps a little inside one whose value attains the upper bound."""
    TOGETHER = "all together"
    """All epsilons grew in proportion to their weights."""
    EXPANSION = "expansion"
    """A step of the proposal's optimizer."""
    SHRINKAGE = "shrinkage"
    """What the cutting weights of the proposal's CEGIS left of such a step."""
    GROUP = "group"
    """One epsilon, or several, grew while all others stayed."""


@dataclass(frozen=True)
class Query:
    """One request to the verifier, and how it ended."""

    ask: Ask
    stage: Stage
    """The stage that answered (or gave up last)."""
    outcome: Outcome
    seconds: float
    milp: bool
    """Whether a MILP was solved for it."""
    basis: str = Proof.NONE.value
    """What the answer rests on, as ``Verdict.basis`` says it."""


@dataclass
class Tally:
    """What one stage of the verifier did over a whole search; attacks that a search asks for itself
    are no part of it."""

    asked: int = 0
    """Requests that reached it."""
    decided: int = 0
    """Those that it decided."""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Step:
    """One neighborhood the search tried."""

    eps: Array
    size: float
    outcome: Outcome
    seconds: float
    """Since the search began."""
    move: Move
    """What led here."""
    grown: tuple[int, ...] = ()
    """Of ``Move.GROUP``: the radius indices that grew."""
    basis: str = Proof.NONE.value
    """What the outcome rests on, as ``Verdict.basis`` says it."""


@dataclass(frozen=True, eq=False)
class Iteration:
    """One neighborhood that the loop of the proposal tried, and how it came to it."""

    move: Move
    """``EXPANSION`` or ``SHRINKAGE``."""
    eps: Array
    """What was tried, ``(R,)``."""
    outcome: Outcome
    margin: float
    """The least margin of the weakest points at the robust eps that it began from."""
    gradient: Array
    """d margin / d eps there, ``(R,)``."""
    weights: Array
    """``(R,)``: of an expansion its direction, a unit vector; of a shrinkage the cutting weights:
    1 where a layer kept what it had, 0 where it returned to the robust eps."""
    lambda_: float
    """Weight of the gradient in the direction."""
    seconds: float
    """Since the search began."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A violating image and how far it leaves the centre, by radius index.

    By monotonicity it rules out every ``eps >= extents``: some epsilon must stay below its extent.
    """

    extents: Array
    """``(R,)``."""
    witness: Array
    """``(C, H, W)``."""

    def rules_out(self, eps: Array) -> bool:
        """Say whether the neighborhood of ``eps`` contains the witness."""
        return bool(np.all(self.extents <= eps + BOX_SLACK))


@dataclass(frozen=True, eq=False)
class Refutation:
    """What is known of the convex combinations of some eps vectors (the vertices)."""

    throughout: bool
    """Whether bounds show that no convex combination is robust."""
    unbroken: int | None
    """Index of the first vertex at which no violation was found; None if there is one at each."""
    cuts: tuple[Cut, ...]
    """Cuts that were found on the way."""
    margin: float = 0.0
    """The largest margin of the violating images at the vertices: the nearer to 0, the nearer a
    robust eps may be."""


class Block(StrEnum):
    """Why a layer cannot grow."""

    WITNESS = "witness"
    """A violating image exists a little beyond its epsilon."""
    CAP = "cap"
    """Its epsilon is 1: every value of its pixels is allowed."""
    BUDGET = "budget"
    """The search ended before it knew."""


class StopReason(StrEnum):
    """Why a search ended."""

    MAXIMAL = "maximal"
    """No layer can grow by the tolerance while the others keep their epsilons."""
    OPTIMAL = "optimal"
    """The upper bound is within the gap of the certified value."""
    SECONDS = "budget: seconds"
    WORK = "budget: work"
    """The budget of counted work is spent."""
    QUERIES = "budget: queries"
    INTERRUPTED = "interrupted"
    STALLED = "stalled"
    """The strategy has nothing left to try, though some layer is not known to be blocked."""


@dataclass(eq=False)
class Trace:
    """The record of a search; grows while it runs, and is complete after every step."""

    radii: int
    """``R``: the number of entries of an eps."""
    floor: Array = field(init=False)
    """The eps ``(R,)`` that the search never goes below."""
    best: Array = field(init=False)
    """The certified eps ``(R,)`` of the largest value so far, and of the largest size among
    those."""
    steps: list[Step] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    iterations: list[Iteration] = field(default_factory=list)
    """Of the strategy ``proposal`` only."""
    tallies: Mapping[Stage, Tally] = field(default_factory=dict)
    """What the stages of the verifier did."""
    basis: str = Proof.NONE.value
    """What ``best`` rests on."""
    blocked: dict[int, tuple[Block, Cut | None]] = field(default_factory=dict)
    """By radius index: why it cannot grow from ``best``, with the witness if there is one."""
    upper_bound: float = np.inf
    """No robust eps of at least ``floor`` is larger in size."""
    objective_bound: float = np.inf
    """No robust eps of at least ``floor`` has a larger value of the objective."""
    stop: StopReason | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.floor = np.zeros(self.radii)
        self.best = np.zeros(self.radii)

    @property
    def complete_queries(self) -> int:
        """Number of queries that count as complete ones."""
        return sum(query.ask.complete for query in self.queries)

    def known_cut(self, eps: Array) -> Cut | None:
        """Return the latest cut that rules ``eps`` out, if any."""
        return next((cut for cut in reversed(self.cuts) if cut.rules_out(eps)), None)

    def attacked(self) -> Array:
        """Return the least value of each entry ``(R,)`` at which a violating image is known while
        the others are at ``best``; NaN where none is known."""
        least = np.full(self.radii, np.inf)
        for cut in self.cuts:
            beyond = np.flatnonzero(cut.extents > self.best + BOX_SLACK)
            if len(beyond) == 1:
                least[beyond] = np.minimum(least[beyond], cut.extents[beyond])
        return np.where(np.isinf(least), np.nan, least)

    def block_of(self, index: int) -> tuple[Block, Cut | None]:
        """Return why the epsilon of that index cannot grow from ``best``; ``BUDGET`` if the search
        did not find out."""
        return self.blocked.get(index, (Block.BUDGET, None))
