"""How the answer is searched: strategy, shrinking, solver, budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

from mlspec.spec.base import SpecModel
from mlspec.spec.numbers import Count, Fraction, NonNegative, Positive, Share, Weight
from mlspec.spec.source import Source
from mlspec.spec.unions import by_kind, complaint, tag

ShrinkPolicyName = Literal["fixed", "sensitivity", "uniform", "counterexample"]
ObjectiveName = Literal["weighted_sum", "max_min", "log_volume"]
StrategyName = Literal["gradient", "naive", "ascent", "exact", "proposal"]

OptionValue = Annotated[
    Annotated[bool, tag("bool")]
    | Annotated[int, tag("int")]
    | Annotated[float, tag("float")]
    | Annotated[str, tag("text")],
    by_kind("a number, text, true or false", bool=bool, int=int, float=float, text=str),
    WithJsonSchema({"type": ["boolean", "number", "string"]}),
]
"""The value of one of a solver's own options."""


class Shrink(SpecModel):
    """How a neighborhood that is not robust shrinks towards the last robust one."""

    policy: ShrinkPolicyName = "sensitivity"
    """Which layers give way first: the far ones (fixed), the sensitive ones, all alike (uniform),
    or those in which the counterexample leaves the robust box."""
    order: Literal["formula", "prose"] = "formula"
    """For ``sensitivity``: the more sensitive layers shrink more (formula) or less (prose)."""


class GradientSearch(SpecModel):
    """What is tuned of the strategy ``gradient``."""

    quick_seconds: Positive = 8.0
    """Time limit of a complete query while several proposals are compared."""
    proposing: Fraction = 0.15
    """Share of the budget's seconds after which no more proposals are made."""
    lambda_factors: Annotated[tuple[Weight, ...], Field(min_length=1)] = (1.0, 4.0)
    """One proposal is made for each, with ``lambda_start`` times the factor: a larger one favours
    layers with a high ratio of weight to sensitivity."""
    grown_alone: NonNegative = 1
    """Further proposals: for so many of the layers of the largest weight, one that grows that layer
    alone first."""


class ExactSearch(SpecModel):
    """What is tuned of the strategy ``exact``."""

    head_start: Fraction = 0.15
    """Share of the budget's seconds that the strategy ``gradient`` has before."""


class ProposalSearch(SpecModel):
    """What is tuned of the strategy ``proposal``; lambda and its decay are ``lambda_start`` and
    ``lambda_decay``."""

    step: Positive = 0.2
    """Length of a step, as a share of the length of the vector of epsilons."""
    least_step: Positive = 0.0001
    """Least length of a step, as a pixel intensity."""
    seconds: Positive = 2.0
    """Time slice for the weakest images of a robust neighborhood: the optimum of the margin where
    it comes sooner."""


class Slp(SpecModel):
    """Sequential linear programming, which shrinks some layers to grow others."""

    steps: Count = 30
    """Linear programs in a row at most."""


class Bracket(SpecModel):
    """The minimum-norm attack that finds how far along a segment no violation is found."""

    beyond: Annotated[float, Field(ge=1)] = 1.1
    """The attack searches up to this multiple of the value of the segment's end."""
    seconds: Positive = 7.0
    """Time limit of one attack."""


class Certificate(SpecModel):
    """The last phase: what blocks each layer."""

    reserved: Share = 0.25
    """Share of the budget's seconds that strategies other than ``exact`` leave to it."""
    bracketed: NonNegative = 64
    """For so many of the layers of the largest weights an attack first finds how far they could
    grow alone."""


class Search(SpecModel):
    """How the neighborhood grows."""

    strategy: StrategyName = "gradient"
    """``gradient`` moves all layers at once; ``naive`` is one binary search per layer; ``ascent``
    goes as far as bounds certify, without a complete query; ``exact`` closes the gap to the upper
    bound, for few layers; ``proposal`` is the loop of the thesis proposal, by complete queries
    alone: one small step along the gradient of the margin MILP's optimum, then ``shrink`` until the
    neighborhood is robust."""
    objective: ObjectiveName = "weighted_sum"
    """What is maximised: the ``weighted_sum`` of the epsilons; the least ratio of epsilon to
    weight (``max_min``: weights are relative budgets, uniform ones make the smallest epsilon as
    large as possible); or the ``log_volume``, the sum of weight times logarithm of epsilon."""
    gap: Fraction = 0.02
    """``exact`` ends when the upper bound is within this share of the certified value of the
    objective."""
    tolerance: Fraction = 0.02
    """A layer counts as maximal when it cannot grow by this fraction of its epsilon, or by 0.0001
    where that is more."""
    floor: Share = 0.25
    """Every layer keeps at least this share of the largest uniform epsilon that bounds certify; at
    0 the layers that count least may end at nothing."""
    step: Fraction = 0.5
    """Length of a step, as a fraction of the way to where the gradient predicts a violation."""
    lambda_start: Weight = 1.0
    """First weight of the robustness gradient against the weights of the layers."""
    lambda_decay: Fraction = 0.5
    """Factor on that weight after each failed or stalled step."""
    gradient: GradientSearch = GradientSearch()
    """What is tuned of the strategy ``gradient``."""
    exact: ExactSearch = ExactSearch()
    """What is tuned of the strategy ``exact``."""
    proposal: ProposalSearch = ProposalSearch()
    """What is tuned of the strategy ``proposal``."""
    slp: Slp = Slp()
    """Sequential linear programming, which shrinks some layers to grow others."""
    bracket: Bracket = Bracket()
    """The minimum-norm attack that finds how far along a segment no violation is found."""
    certificate: Certificate = Certificate()
    """The last phase: what blocks each layer."""


AUTO = "auto"
"""The profile name that stands for a choice."""
LIMITS = ("seconds", "threads", "gap")
"""The limits of its profile that a spec can change."""


class SolverChoice(SpecModel):
    """A solver profile, and what to change in it; a bare name or path is the profile alone."""

    text_key: ClassVar[str] = "profile"

    profile: Annotated[str, Field(min_length=1)] = "highs"
    """Name of a profile, path of a profile file relative to the folder of the spec, or ``auto``:
    the strongest solver that is installed and whose licence fits the model."""
    threads: Count | None = None
    """Threads of the solver, instead of the profile's."""
    seconds: Positive | None = None
    """Time limit of one solver call, instead of the profile's."""
    gap: Annotated[float, Field(ge=0)] | None = None
    """Relative gap at which an optimisation may stop, instead of the profile's."""
    options: Mapping[str, OptionValue] = {}
    """The solver's own options by their own names, on top of the profile's."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}


def _distinct(solvers: tuple[SolverChoice, ...]) -> tuple[SolverChoice, ...]:
    names = [solver.profile for solver in solvers]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise complaint(f"solver '{repeated}' is there twice: name each once")
    if AUTO in names:
        raise complaint(f"'{AUTO}' chooses one solver: give it alone, or name the solvers")
    return solvers


Solver = Annotated[
    Annotated[SolverChoice, tag("one")]
    | Annotated[
        tuple[SolverChoice, ...], Field(min_length=2), AfterValidator(_distinct), tag("list")
    ],
    by_kind(
        "the name of a solver, auto, a mapping with the key profile, or a list of solvers",
        one=(str, Mapping, SolverChoice),
        list=tuple,
    ),
]
"""One solver, or several that run side by side."""


def names_in(text: str) -> str | list[str]:
    """The value of ``solver`` that ``NAME`` or ``NAME,NAME`` stands for."""
    names = [name.strip() for name in text.split(",")]
    return names if len(names) > 1 else names[0]


class _Solvers(SpecModel):
    solver: Solver


def named(text: str, source: Source | None = None) -> SolverChoice | tuple[SolverChoice, ...]:
    """The solvers that ``NAME`` or ``NAME,NAME`` stands for; raises SpecError where none does."""
    return _Solvers.read({"solver": names_in(text)}, source).solver


class Budget(SpecModel):
    """What the search may spend; it returns the best certified answer when it is spent."""

    seconds: Positive = 300.0
    """Wall-clock time of the whole search."""
    work: Positive | None = None
    """Counted work at most, in seconds of a reference machine: attack steps, bounds, models and
    simplex iterations count. The same spec, seed and versions then give the same answer on any
    machine that does the work within ``seconds``. Needs ``solver: highs``; null is no limit."""
    queries: Count | None = None
    """Complete queries; null is no limit."""

    @property
    def limit(self) -> float:
        """The work where that is counted, else the seconds."""
        return self.seconds if self.work is None else self.work
