"""The bounds that a spec declares under ``verifier``."""

from __future__ import annotations

from dataclasses import replace

from mlspec.bounds import alpha
from mlspec.spec.verifier import AlphaCrown


def alpha_of(choice: AlphaCrown) -> alpha.AlphaCrown:
    """Return alpha-CROWN with the numbers of ``choice``."""
    own = alpha.AlphaCrown()
    tightening = own.tightening
    return replace(
        own,
        iterations=choice.steps,
        subsets_at_once=choice.subsets_at_once,
        ascent=replace(own.ascent, rate=choice.rate, decay=choice.decay),
        tightening=replace(
            tightening,
            iterations=choice.tightening_steps,
            ascent=replace(tightening.ascent, rate=choice.tightening_rate),
        ),
    )
