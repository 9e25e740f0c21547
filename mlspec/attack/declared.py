"""The attacks that a spec declares under ``verifier.attack``."""

from __future__ import annotations

from mlspec.attack.fmn import Fmn
from mlspec.attack.fmn_descent import FmnDescent
from mlspec.attack.pgd import Pgd
from mlspec.spec.verifier import Attack


def pgd_of(choice: Attack) -> Pgd:
    """Return projected gradient descent with the numbers of ``choice``."""
    return Pgd(
        restarts=choice.restarts,
        steps=choice.steps,
        momentum=choice.momentum,
        first_step=choice.first_step,
        last_step=choice.last_step,
        softness=choice.softness,
        extra_margins=choice.extra_margins,
    )


def fmn_of(choice: Attack) -> Fmn:
    """Return the minimum-norm attack with the numbers of ``choice``."""
    return Fmn(
        restarts=choice.restarts,
        rounds=choice.refinements,
        extra_margins=choice.extra_margins,
        descent=FmnDescent(momentum=choice.momentum, last_step=choice.last_step),
    )
