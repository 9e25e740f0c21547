"""The branch and cut that a spec declares under ``verifier.branch_and_cut``."""

from __future__ import annotations

from mlspec.branching import tree
from mlspec.branching.nodes import CuttingPlanes
from mlspec.branching.rule import ReliabilityBranching
from mlspec.branching.submips import LargeNeighborhoods
from mlspec.spec.verifier import BranchAndCut


def branch_and_cut_of(choice: BranchAndCut) -> tree.BranchAndCut:
    """Return branch and cut with the numbers of ``choice``."""
    return tree.BranchAndCut(
        cuts=CuttingPlanes(
            root_rounds=choice.root_rounds,
            root_cuts=choice.root_cuts,
            tail_gain=choice.root_gain,
            node_rounds=choice.node_rounds,
            node_cuts=choice.node_cuts,
            node_gain=choice.node_gain,
        ),
        branching=ReliabilityBranching(
            tried_first=choice.tried_first,
            tried_later=choice.tried_later,
            tried_again=choice.tried_again,
            iterations=choice.trial_iterations,
        ),
        submips=LargeNeighborhoods(share=choice.submip_share, ties=choice.submip_ties),
    )
