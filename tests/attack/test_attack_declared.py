"""The attacks that a spec declares: its numbers, and the methods' own where it names none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlspec.attack.declared import fmn_of, pgd_of
from mlspec.attack.fmn import Fmn
from mlspec.attack.fmn_descent import FmnDescent
from mlspec.attack.pgd import Pgd
from mlspec.spec.verifier import Attack


def test_the_defaults_of_a_spec_are_those_of_the_methods() -> None:
    assert pgd_of(Attack()) == Pgd()
    assert fmn_of(Attack()) == Fmn()


CHANGED = {
    "restarts": 5,
    "steps": 7,
    "momentum": 0.5,
    "first_step": 0.4,
    "last_step": 0.02,
    "softness": 0.1,
    "extra_margins": 1,
    "refinements": 3,
}


@pytest.mark.parametrize("key", Attack.model_fields)
def test_every_number_of_a_spec_reaches_an_attack(key: str) -> None:
    choice = Attack(**{key: CHANGED[key]})
    assert (pgd_of(choice), fmn_of(choice)) != (Pgd(), Fmn())


def test_numbers_arrive_where_they_belong() -> None:
    choice = Attack(**CHANGED)
    shared = {key: value for key, value in CHANGED.items() if key != "refinements"}
    assert pgd_of(choice) == replace(Pgd(), **shared)
    assert fmn_of(choice) == Fmn(
        restarts=5, rounds=3, extra_margins=1, descent=FmnDescent(momentum=0.5, last_step=0.02)
    )


def test_a_lighter_attack_does_less() -> None:
    assert Pgd().lighter() == replace(Pgd(), restarts=16, steps=33)
    assert Pgd(restarts=2, steps=6).lighter() == Pgd(restarts=4, steps=10)
