"""The start: what bounds certify is found to within two percent, however little that is."""

from __future__ import annotations

import numpy as np
import pytest
from closed_form import LinearVerifier

from mlspec.core.objective import WeightedSum
from mlspec.core.protocols import Budget
from mlspec.core.trace import Ask
from mlspec.search.effort import Effort
from mlspec.search.start import PRECISION, certified_start

WEIGHTS = np.array([1.0, 0.5, 0.25])


def begun(margin: float) -> tuple[Effort, LinearVerifier, np.ndarray]:
    verifier = LinearVerifier(margin, np.array([1.0, 2.0, 1.0]), bounded=0.5)
    effort = Effort(WeightedSum(WEIGHTS), verifier, Budget(60.0), lambda trace, doing: None)
    return effort, verifier, certified_start(effort, 0.25)


@pytest.mark.parametrize("margin", [1e-4, 0.01, 0.14, 2.0])
def test_fragile_or_not_little_is_left(margin: float) -> None:
    effort, verifier, lowest = begun(margin)
    uniform = verifier.bounded * margin / verifier.slopes.sum()
    assert uniform / PRECISION <= 4 * lowest[0] <= uniform
    np.testing.assert_array_equal(lowest, effort.trace.floor)
    left = verifier.bounded * margin - float(verifier.slopes @ lowest)
    step = left / float(verifier.slopes @ WEIGHTS)
    assert WEIGHTS @ effort.trace.best >= WEIGHTS @ (lowest + step / PRECISION * WEIGHTS)
    assert len(effort.trace.queries) <= 22
    assert all(query.ask is Ask.BOUND for query in effort.trace.queries)


def test_all_is_certified_where_all_holds() -> None:
    effort, _, lowest = begun(1e3)
    np.testing.assert_array_equal(lowest, [0.25, 0.25, 0.25])
    np.testing.assert_array_equal(effort.trace.best, [1.0, 1.0, 1.0])


def test_nothing_is_certified_where_nothing_holds() -> None:
    _, _, lowest = begun(1e-7)
    np.testing.assert_array_equal(lowest, 0.0)
