"""The start: what bounds certify is found to within two percent, however little that is."""

from __future__ import annotations

import numpy as np
import pytest
from closed_form import LinearVerifier
from search_cases import new_search

from mlspec.core.trace import Ask
from mlspec.search.search import Search
from mlspec.search.start import CertifiedStart

WEIGHTS = np.array([1.0, 0.5, 0.25])
WITHIN = 1.0 + CertifiedStart().precision


def begun(margin: float) -> tuple[Search, LinearVerifier, np.ndarray]:
    verifier = LinearVerifier(margin, np.array([1.0, 2.0, 1.0]), bounded=0.5)
    search = new_search(WEIGHTS, verifier)
    return search, verifier, CertifiedStart(0.25).run(search)


@pytest.mark.parametrize("margin", [1e-4, 0.01, 0.14, 2.0])
def test_the_start_reaches_near_what_bounds_certify(margin: float) -> None:
    search, verifier, lowest = begun(margin)
    uniform = verifier.bounded * margin / verifier.slopes.sum()
    assert uniform / WITHIN <= 4 * lowest[0] <= uniform
    np.testing.assert_array_equal(lowest, search.trace.floor)
    left = verifier.bounded * margin - float(verifier.slopes @ lowest)
    step = left / float(verifier.slopes @ WEIGHTS)
    assert WEIGHTS @ search.trace.best >= WEIGHTS @ (lowest + step / WITHIN * WEIGHTS)
    assert len(search.trace.queries) <= 22
    assert all(query.ask is Ask.BOUND for query in search.trace.queries)


def test_all_is_certified_where_all_holds() -> None:
    search, _, lowest = begun(1e3)
    np.testing.assert_array_equal(lowest, [0.25, 0.25, 0.25])
    np.testing.assert_array_equal(search.trace.best, [1.0, 1.0, 1.0])


def test_nothing_is_certified_where_nothing_holds() -> None:
    _, _, lowest = begun(1e-7)
    np.testing.assert_array_equal(lowest, 0.0)
