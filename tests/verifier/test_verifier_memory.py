"""What a verifier remembers: monotone, replayed, and loud where two answers contradict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strategies import problem_of

from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.verdict import Outcome, Proof, Stage, Verdict
from mlspec.errors import ContradictionError
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.verifier.memory import Memory


@pytest.fixture
def problem() -> Problem:
    """Margin ``1 - x0 - 2 x1`` around the black image; layers 0 and 1, the third pixel is fixed."""
    network = Network(
        (Flatten(), Linear(np.array([[-1.0, -2.0, 0.0], [0.0, 0.0, 0.0]]), np.array([1.0, 0.0]))),
        (1, 1, 3),
    )
    layering = Layering(np.array([[0, 1, -1]], dtype=np.int16), 2)
    return problem_of(network, np.zeros((1, 1, 3)), layering, Property(TopK(1), (0,), 2))


def robust(margin: float = 0.1) -> Verdict:
    return Verdict(Outcome.ROBUST, Stage.CROWN, margin, proof=Proof.BOUNDS)


def image(*values: float) -> Array:
    return np.array(values).reshape(1, 1, 3)


def test_a_proof_covers_every_smaller_radius_and_no_other(problem: Problem) -> None:
    memory = Memory(problem)
    assert memory.proof_around(np.zeros(2)) is None
    memory.note_proof(np.array([0.3, 0.2]), robust(0.25))
    assert memory.proof_around(np.array([0.3, 0.2])) == (0.25, Proof.BOUNDS)
    assert memory.proof_around(np.array([0.1, 0.0])) == (0.25, Proof.BOUNDS)
    assert memory.proof_around(np.array([0.3000001, 0.0])) is None
    assert memory.proof_around(np.array([0.0, 0.2000001])) is None


def test_a_noted_radius_is_a_copy(problem: Problem) -> None:
    memory = Memory(problem)
    eps = np.array([0.3, 0.2])
    memory.note_proof(eps, robust())
    eps[:] = 1.0
    assert memory.proof_around(np.array([0.4, 0.2])) is None


def test_a_witness_serves_every_radius_that_contains_it(problem: Problem) -> None:
    memory = Memory(problem)
    witness = image(0.4, 0.4, 0.0)
    extents = memory.note_witness(witness)
    assert extents.tolist() == [0.4, 0.4]
    assert memory.witness_inside(np.array([0.39, 1.0])) is None
    assert memory.witness_inside(np.array([1.0, 0.39])) is None
    found = memory.witness_inside(np.array([0.4, 0.4]))
    assert found is not None
    np.testing.assert_array_equal(found, witness)


def test_a_witness_is_replayed_before_it_serves(problem: Problem) -> None:
    """Clipping into a box smaller by a rounding error may take its violation away."""
    memory = Memory(problem)
    memory.note_witness(image(1.0, 0.0, 0.0))
    assert memory.witness_inside(np.array([1.0, 0.0])) is not None
    assert memory.witness_inside(np.array([1.0 - 5e-13, 0.0])) is None


@pytest.mark.parametrize("eps", [[0.5, 0.5], [0.4, 0.4], [1.0, 1.0]])
def test_a_witness_inside_a_proved_neighborhood_is_a_contradiction(
    problem: Problem, eps: list[float]
) -> None:
    memory = Memory(problem)
    memory.note_proof(np.array(eps), robust())
    with pytest.raises(ContradictionError, match="crown") as caught:
        memory.note_witness(image(0.4, 0.4, 0.0))
    evidence = caught.value.evidence
    np.testing.assert_array_equal(evidence["eps"], eps)
    np.testing.assert_array_equal(evidence["witness"], image(0.4, 0.4, 0.0))
    np.testing.assert_array_equal(evidence["image"], problem.image)


def test_a_proof_around_a_witness_is_a_contradiction(problem: Problem) -> None:
    memory = Memory(problem)
    memory.note_witness(image(0.4, 0.4, 0.0))
    memory.note_proof(np.array([0.39, 1.0]), robust())
    with pytest.raises(ContradictionError):
        memory.note_proof(np.array([0.4, 0.4]), robust())
    assert memory.proof_around(np.array([0.4, 0.4])) is None


def test_a_corner_that_lies_a_rounding_beyond_the_proof_contradicts_it(problem: Problem) -> None:
    """Extents are differences: of a witness at a corner they may exceed the radius by rounding."""
    problem = replace(problem, image=image(0.2, 0.1, 0.0))
    eps = np.array([0.6, 0.3])
    corner = problem.neighborhood(eps).box.upper
    assert not np.all(problem.layering.extents(corner - problem.image) <= eps)
    assert problem.margin(corner[None])[0] <= 0.0
    memory = Memory(problem)
    memory.note_proof(eps, robust())
    with pytest.raises(ContradictionError):
        memory.note_witness(corner)
    memory = Memory(problem)
    memory.note_witness(corner)
    with pytest.raises(ContradictionError):
        memory.note_proof(eps, robust())


def test_the_same_witness_is_kept_once(problem: Problem) -> None:
    memory = Memory(problem)
    for _ in range(3):
        memory.note_witness(image(0.4, 0.4, 0.0))
    assert len(memory.witnesses) == 1
