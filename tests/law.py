"""Laws: properties that hypothesis tries on many random cases."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

DEPTH = float(os.environ.get("DEPTH", "0.125"))
HEALTH = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)


def law(
    *strategies: SearchStrategy[Any], quick: int, deep: int
) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """Make a test of a function of drawn cases: ``quick`` cases by default, more if slow.

    ``pytest -m slow`` runs a share of the ``deep`` ones, that of DEPTH (an eighth by default, so
    that they end in minutes; DEPTH=1 runs all: half an hour for the MILPs). Cases come from the
    profile of conftest.py: the same ones each time unless HYPOTHESIS_PROFILE says ``random``.
    """

    def wrap(body: Callable[..., None]) -> Callable[[int], None]:
        def test(cases: int) -> None:
            drawn = given(*strategies)(body)
            settings(max_examples=cases, suppress_health_check=HEALTH)(drawn)()

        test.__name__, test.__doc__, test.__module__ = body.__name__, body.__doc__, body.__module__
        depths = [pytest.param(quick, id="quick")]
        depths.append(
            pytest.param(max(quick, int(DEPTH * deep)), id="deep", marks=pytest.mark.slow)
        )
        return pytest.mark.parametrize("cases", depths)(test)

    return wrap
