"""The bounds that a spec declares: its numbers, and the method's own where it names none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from run_cases import small

from mlspec.bounds.adam import Adam
from mlspec.bounds.alpha import AlphaBounder, AlphaCrown
from mlspec.bounds.declared import alpha_of
from mlspec.bounds.tighten import Tightening
from mlspec.run import prepare, stages_of
from mlspec.spec import verifier

CHANGED = {
    "steps": 7,
    "rate": 0.5,
    "decay": 0.9,
    "tightening_steps": 0,
    "tightening_rate": 0.1,
    "subsets_at_once": 4,
}


def test_the_defaults_of_a_spec_are_those_of_the_method() -> None:
    assert alpha_of(verifier.AlphaCrown()) == AlphaCrown()


@pytest.mark.parametrize("key", verifier.AlphaCrown.model_fields)
def test_every_number_of_a_spec_reaches_the_bounds(key: str) -> None:
    assert alpha_of(verifier.AlphaCrown(**{key: CHANGED[key]})) != AlphaCrown()


def test_numbers_arrive_where_they_belong() -> None:
    assert alpha_of(verifier.AlphaCrown(**CHANGED)) == replace(
        AlphaCrown(),
        iterations=7,
        subsets_at_once=4,
        ascent=Adam(rate=0.5, decay=0.9),
        tightening=Tightening(iterations=0, ascent=Adam(rate=0.1)),
    )


def test_the_verifier_of_a_spec_has_its_bounds() -> None:
    spec = small(verifier__alpha__steps=7)
    last = stages_of(prepare(spec).problem, spec).bounders[-1]
    assert isinstance(last, AlphaBounder)
    assert last.method == AlphaCrown(iterations=7)
