"""How robustness is decided: attack, bounds, complete stage.

A default is that of the method's own field, where the measurement behind it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlspec.core.verdict import Stage
from mlspec.spec.base import SpecModel
from mlspec.spec.numbers import Count, Fraction, NonNegative, Positive, Rate, Share, Weight
from mlspec.spec.unions import OneOf

BoundsName = Annotated[str, OneOf(tuple(stage.value for stage in Stage if stage.bounds))]
DeviceName = Literal["auto", "cpu", "cuda"]


class Attack(SpecModel):
    """The search for violating images by gradient steps: in one neighborhood (projected gradient
    descent), and for the smallest neighborhood on a path that has one (minimum-norm attack)."""

    restarts: Count = 32
    """Random starting images; they form one batch."""
    steps: Count = 100
    """Gradient steps from each, in one neighborhood."""
    momentum: Share = 0.75
    """Factor on the sum of the former gradients in each step."""
    first_step: Annotated[float, Field(gt=0, le=2)] = 0.5
    """Length of the first step in one neighborhood, as a share of half a pixel's range."""
    last_step: Annotated[float, Field(gt=0, le=2)] = 0.01
    """Length of the last step, as a share of half a pixel's range; step lengths fall along half a
    cosine."""
    softness: Weight = 0.3
    """Half of the starting images descend through a softmax in place of max-pooling: its
    temperature at the first step, in units of the standard deviation of the scores."""
    extra_margins: NonNegative = 3
    """Subsets of margins are targeted among so many more than a violation needs: those that are
    smallest on the image itself."""
    refinements: NonNegative = 8
    """Rounds of the minimum-norm attack that begin again from its best images, at most."""


class AlphaCrown(SpecModel):
    """The bounds that optimise the free parameters of the relaxations, in [0, 1], by Adam."""

    steps: Count = 40
    """Gradient steps for each subset of margins that cheaper bounds leave open, at most."""
    rate: Rate = 0.2
    """Length of the first step."""
    decay: Rate = 0.97
    """Factor on the length after each step."""
    tightening_steps: NonNegative = 6
    """Gradient steps for the bounds of intermediate values, before the subsets."""
    tightening_rate: Rate = 0.3
    """Length of these steps."""
    subsets_at_once: Count = 16
    """Subsets optimised together: more of them take more memory."""


class BranchAndCut(SpecModel):
    """Branch and cut over ReLUs and max-pool windows, on linear programs of HiGHS."""

    root_rounds: NonNegative = 40
    """Rounds of cuts at the root of the tree, at most."""
    root_cuts: Count = 500
    """Cuts of one round at the root, at most."""
    root_gain: Share = 0.2
    """The root is done when four rounds together close less than this share of what is left to
    prove."""
    node_rounds: NonNegative = 3
    """Rounds of cuts at any other node, at most."""
    node_cuts: Count = 80
    """Cuts of one round at any other node, at most."""
    node_gain: Share = 0.05
    """A node is done when a round closes less than this share of what is left to prove."""
    tried_first: Count = 6
    """Candidates for branching that were never tried, of which both sides are tried, at each of the
    first ten nodes."""
    tried_later: Count = 3
    """The same at each later node."""
    tried_again: Count = 2
    """Candidates of the best pseudocosts of which both sides are tried at each node."""
    trial_iterations: Count = 250
    """Simplex iterations of one trial, at most."""
    submip_share: Fraction = 0.1
    """Share of a query's time that each search of a sub-MIP around a known image may take."""
    submip_ties: Count = 80
    """ReLUs and max-pool windows that the first sub-MIP leaves free: those nearest to a tie."""


class Milp(SpecModel):
    """The complete stage of the verifier."""

    objective: Literal["decision", "margin"] = "decision"
    """``decision`` asks only whether a violating image exists; ``margin`` looks for the worst."""
    seconds: Positive = 20.0
    """Time slice of one complete query."""

    @model_validator(mode="before")
    @classmethod
    def _without_formulation(cls, data: object) -> object:
        """Leave out ``formulation: big_m``, which old specs may say: there is no other."""
        if isinstance(data, Mapping) and data.get("formulation") == "big_m":
            return {key: value for key, value in data.items() if key != "formulation"}
        return data


class Verifier(SpecModel):
    """The cascade that decides whether a neighborhood is robust."""

    attack: Attack = Attack()
    """Looks for a violating image, after CROWN and before alpha-CROWN."""
    bounds: BoundsName = "alpha"
    """The tightest bounds to compute; cheaper ones come first. Strategies that step along
    a certified margin take that of ``crown``, which has a gradient, whatever is chosen here."""
    alpha: AlphaCrown = AlphaCrown()
    """What is tuned of the bounds ``alpha``."""
    milp: Milp = Milp()
    """Last stage: decides what the others left open."""
    branch_and_cut: BranchAndCut = BranchAndCut()
    """What is tuned of mlspec's own branch and cut, which decides for ``solver: highs``, and proves
    what other solvers only claim. The solver's ``options`` are those of HiGHS."""
    device: DeviceName = "auto"
    """Where bounds and attack are computed; auto is CUDA where there is one, else the CPU."""
