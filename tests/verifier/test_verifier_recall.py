"""What a cascade remembers: witnesses, the last attack, and images of other runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from known_margins import absolute_value, hard, hidden
from machines import SECONDS, cascade
from strategies import problem_of

from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.network import Network
from mlspec.core.property import Property, TopK
from mlspec.core.verdict import Outcome, Stage
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear


def test_a_witness_is_reused_for_larger_radii() -> None:
    verifier = cascade(hidden(-0.1), restarts=8, steps=30)
    first = verifier.verify(np.array([0.4]), Deadline.after(SECONDS))
    assert first.outcome is Outcome.VIOLATED
    assert first.extents is not None
    again = verifier.verify(np.array([0.9]), Deadline.after(SECONDS))
    assert again.stage is Stage.RECALL
    assert again.outcome is Outcome.VIOLATED
    assert not again.complete


def test_the_nearest_violation_is_remembered() -> None:
    """Margin ``0.9 - x``, from x = 0.5."""
    network = Network(
        (Flatten(), Linear(np.array([[-1.0], [0.0]]), np.array([0.9, 0.0]))), (1, 1, 1)
    )
    layering = Layering(np.zeros((1, 1), dtype=np.int16), 1)
    problem = problem_of(network, np.full((1, 1, 1), 0.5), layering, Property(TopK(1), (0,), 2))
    verifier = cascade(problem)
    found = verifier.nearest(lambda shares: 0.8 * shares[:, None], Deadline.after(SECONDS))
    assert found is not None
    share, cut = found
    assert share == pytest.approx(0.5, rel=1e-3)
    assert cut.extents == pytest.approx([0.4], rel=1e-3)
    assert verifier.verify(np.array([0.41]), Deadline.after(SECONDS)).stage is Stage.RECALL
    assert verifier.nearest(lambda shares: 0.3 * shares[:, None], Deadline.after(SECONDS)) is None


def test_only_true_witnesses_are_learned() -> None:
    """Images of another run may not violate here, or move pixels that are fixed here."""
    problem = absolute_value(offset=-0.5)
    fixed = replace(problem, layering=Layering(np.array([[0, -1]], dtype=np.int16), 1))
    moved = np.array([0.5, 0.6]).reshape(1, 1, 2)
    assert problem.margin(moved[None])[0] <= 0.0
    assert len(cascade(problem).learn(moved[None])) == 1
    assert cascade(fixed).learn(moved[None]) == []
    harmless = np.array([1.0, 0.0]).reshape(1, 1, 2)
    assert cascade(problem).learn(harmless[None]) == []
    outside = np.array([1.3, 1.3]).reshape(1, 1, 2)
    assert cascade(problem).learn(outside[None]) == []
    assert cascade(problem).learn(np.empty((0, 1, 1, 2))) == []


def test_an_attack_that_is_known_is_not_made_again() -> None:
    problem, eps = hard()
    verifier = cascade(problem, "interval")
    verifier.weakest(eps, thorough=True)
    first, *_ = verifier.verify(eps, Deadline.after(SECONDS)).accounts
    assert first.stage is Stage.ATTACK
