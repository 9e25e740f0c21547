"""What a spec says of the search reaches it, and says by default what the search does by itself."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from mlspec import load_spec
from mlspec.run import maximiser_of, prepare
from mlspec.search.ascent import AscentStrategy
from mlspec.search.attack_bracket import AttackBracket
from mlspec.search.cegis import Cegis
from mlspec.search.certificate import MaximalityCertificate
from mlspec.search.climb import Climb
from mlspec.search.exact import ExactStrategy
from mlspec.search.gradient import GradientStrategy
from mlspec.search.lowering import UpperBoundLowering, VertexCutting
from mlspec.search.maximise import Maximiser
from mlspec.search.naive import NaiveStrategy
from mlspec.search.optimizer import Optimizer
from mlspec.search.proposal import ProposalStrategy
from mlspec.search.shrink import POLICIES
from mlspec.search.slp import SequentialLinearProgramming
from mlspec.search.start import CertifiedStart
from mlspec.spec.search import StrategyName

MINIMAL = {"search": {}}
"""The small spec, but for what it says of the search."""


def declared(**search: object) -> Maximiser:
    spec = load_spec("specs/small.yaml", {**MINIMAL, "search": search})
    return maximiser_of(prepare(spec).problem, spec)


def gradient_of(maximiser: Maximiser) -> GradientStrategy:
    assert isinstance(maximiser.strategy, GradientStrategy)
    return maximiser.strategy


def test_the_defaults_of_the_spec_are_those_of_the_methods() -> None:
    found = declared()
    gradient = gradient_of(found)
    policy = gradient.climb.cegis.policy
    assert isinstance(policy, POLICIES["sensitivity"])
    assert gradient == GradientStrategy(Climb(Cegis(policy)), AscentStrategy())
    assert found == Maximiser(
        CertifiedStart(), gradient, UpperBoundLowering(VertexCutting()), MaximalityCertificate()
    )
    assert declared(strategy="naive").strategy == NaiveStrategy()
    assert declared(strategy="ascent").strategy == AscentStrategy()
    loop = declared(strategy="proposal").strategy
    assert isinstance(loop, ProposalStrategy)
    assert loop == ProposalStrategy(loop.policy)
    exact = declared(strategy="exact")
    assert isinstance(exact.strategy, ExactStrategy)
    assert exact.strategy == ExactStrategy(first=exact.strategy.first)
    assert exact.reserved == 0.0


@pytest.mark.parametrize("name", get_args(StrategyName))
def test_every_strategy_of_the_spec_is_one(name: str) -> None:
    kinds = {
        "gradient": GradientStrategy,
        "naive": NaiveStrategy,
        "ascent": AscentStrategy,
        "exact": ExactStrategy,
        "proposal": ProposalStrategy,
    }
    assert type(declared(strategy=name).strategy) is kinds[name]


def test_what_a_spec_changes_reaches_the_search() -> None:
    found = declared(
        tolerance=0.07,
        floor=0.11,
        step=0.3,
        lambda_start=2.0,
        lambda_decay=0.4,
        slp={"steps": 3},
        bracket={"beyond": 1.5, "seconds": 2.0},
        gradient={
            "quick_seconds": 3.0,
            "proposing": 0.05,
            "lambda_factors": [0.0, 2.0],
            "grown_alone": 0,
        },
        certificate={"reserved": 0.1, "bracketed": 5},
    )
    bracket, slp = AttackBracket(1.5, 2.0), SequentialLinearProgramming(most_steps=3)
    climb = gradient_of(found).climb
    assert climb == Climb(
        Cegis(climb.cegis.policy, bracket), Optimizer(0.3, 2.0, 0.4), slp, bracket, tolerance=0.07
    )
    assert gradient_of(found) == GradientStrategy(
        climb,
        AscentStrategy(climb.optimizer, slp),
        quick_seconds=3.0,
        lambda_factors=(0.0, 2.0),
        grown_alone=0,
        proposing=0.05,
    )
    assert found.start == CertifiedStart(0.11)
    assert found.lowering.gap == 0.07
    assert found.certificate == MaximalityCertificate(0.07, bracketed=5)
    assert found.reserved == 0.1
    assert declared(strategy="naive", tolerance=0.07).strategy == NaiveStrategy(0.07)
    exact = declared(strategy="exact", gap=0.2, exact={"head_start": 0.4}).strategy
    assert isinstance(exact, ExactStrategy)
    assert (exact.gap, exact.head_start) == (0.2, 0.4)


def test_sensitivity_weights_steer_the_optimizer() -> None:
    spec = load_spec("specs/small.yaml", {"weights": "sensitivity"})
    steered = gradient_of(maximiser_of(prepare(spec).problem, spec)).climb.optimizer
    assert steered.steer is not None
    assert np.isfinite(steered.step)
