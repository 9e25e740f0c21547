"""How near the attack comes to the exact radius: ``make bench-radius``.

The complete verifier decides a little below the radius that the attack broke: robust there, the
attack is that near the exact radius; violated, it missed something.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from benchmarks.cases import Case, cases
from benchmarks.stages import decision
from benchmarks.tables import footer, markdown
from mlspec.tensors import single_threaded

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
    rows = []
    with single_threaded():
        for case in cases(specs, labels):
            rows.append(row(case, seconds))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    near = sum(each[-1].startswith("robust") for each in rows)
    print(markdown(HEADS, rows, words=2))
    print(f"\nWithin {1 - SHARE:.0%} of the exact radius, proved: {near} of {len(rows)}.")
    print(footer(("mlspec", "torch", "highspy"), began))
