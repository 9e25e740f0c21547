"""The loop of the proposal on a real classifier: what is left of its steps is proved."""

from __future__ import annotations

import numpy as np
from run_cases import assert_consistent, small

from mlspec import solve


def test_the_loop_of_the_proposal_ends_with_a_proof() -> None:
    spec = small(
        search__strategy="proposal", search__proposal__step=0.5, budget__queries=6, layers__count=2
    )
    result = solve(spec)
    assert_consistent(result)
    assert 1 <= result.sizes["iteration"] <= 6
    assert set(result["iteration_move"].values) <= {"expansion", "shrinkage"}
    assert (result["iteration_gradient"].values <= 0.0).all()
    assert (result["iteration_margin"].values > 0.0).all()
    asked = result["query_ask"].values
    assert np.count_nonzero(asked == "level") >= 1
    robust = result["iteration_verdict"].values == "robust"
    assert robust.any()
    tried = result["iteration_epsilon"].values[robust] @ result["weight"].values
    assert float(result["size"]) >= tried.max() - 1e-12
