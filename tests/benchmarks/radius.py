"""How near the attack comes to the exact radius: ``make bench-radius``.

The complete verifier decides a little below the radius that the attack broke: robust there, the
attack is that near the exact radius; violated, it missed something.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.cases import Case, cases, rows_of
from benchmarks.stages import decision
from benchmarks.tables import footer, markdown

SHARE = 0.99
HEADS = ("spec", "direction", "attack radius", "seconds", f"decision at {SHARE:g}")


def row(case: Case, seconds: float) -> list[str]:
    """Return the attack's radius and seconds, and the verdict below it with its seconds."""
    began = time.perf_counter()
    radius = case.attack_radius
    took = time.perf_counter() - began
    verdict = decision(case, case.eps(SHARE), seconds)
    return [f"`{case.name}`", case.label, f"{radius:.5f}", f"{took:.1f}", verdict]


def main(specs: Sequence[str], labels: Sequence[str], seconds: float) -> None:
    """Print one row for each spec and direction; a decision has ``seconds``."""
    began = time.perf_counter()
    rows = rows_of(cases(specs, labels), lambda case: row(case, seconds))
    near = sum(each[-1].startswith("robust") for each in rows)
    print(markdown(HEADS, rows, words=2))
    print(f"\nWithin {1 - SHARE:.0%} of the exact radius, proved: {near} of {len(rows)}.")
    print(footer(("mlspec", "torch", "highspy"), began))
