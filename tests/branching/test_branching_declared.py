"""Branch and cut as a spec declares it: its numbers, and the method's own where it names none."""

from __future__ import annotations

import pytest
from backend_cases import compiled, random_questions
from machines import SECONDS
from run_cases import small

from mlspec.branching.declared import branch_and_cut_of
from mlspec.branching.nodes import CuttingPlanes
from mlspec.branching.rule import ReliabilityBranching
from mlspec.branching.submips import LargeNeighborhoods
from mlspec.branching.tree import BranchAndCut
from mlspec.core.deadline import Deadline
from mlspec.run import prepare, stages_of
from mlspec.spec import verifier

CUTS = {
    "root_rounds": 5,
    "root_cuts": 50,
    "node_rounds": 0,
    "node_cuts": 8,
    "node_gain": 0.1,
}
TRIALS = {"tried_first": 2, "tried_later": 1, "tried_again": 4}
CHANGED = {
    **CUTS,
    **TRIALS,
    "root_gain": 0.3,
    "trial_iterations": 10,
    "submip_share": 0.2,
    "submip_ties": 20,
}


def test_the_defaults_of_a_spec_are_those_of_the_method() -> None:
    assert branch_and_cut_of(verifier.BranchAndCut()) == BranchAndCut()


@pytest.mark.parametrize("key", verifier.BranchAndCut.model_fields)
def test_every_number_of_a_spec_reaches_branch_and_cut(key: str) -> None:
    assert branch_and_cut_of(verifier.BranchAndCut(**{key: CHANGED[key]})) != BranchAndCut()


def test_numbers_arrive_where_they_belong() -> None:
    assert branch_and_cut_of(verifier.BranchAndCut(**CHANGED)) == BranchAndCut(
        cuts=CuttingPlanes(**CUTS, tail_gain=0.3),
        branching=ReliabilityBranching(**TRIALS, iterations=10),
        submips=LargeNeighborhoods(share=0.2, ties=20),
    )


def cuts_with(**changes: int) -> int:
    """Return how many cuts the prover of a spec has, together, on a few small models."""
    spec = small(**{f"verifier__branch_and_cut__{key}": each for key, each in changes.items()})
    complete = stages_of(prepare(spec).problem, spec).complete
    assert complete is not None
    cuts = 0
    for question in random_questions(3):
        model = compiled(question, "interval", decision=True)
        for row in model.margins:
            report = complete.models.prover.open(model).solve((row,), Deadline.after(SECONDS), row)
            assert report.message.startswith("branch and cut, ")
            cuts += int(report.message.split()[5])
    return cuts


def test_the_prover_of_a_spec_has_its_numbers() -> None:
    assert cuts_with() > 0
    assert cuts_with(root_rounds=0, node_rounds=0) == 0
