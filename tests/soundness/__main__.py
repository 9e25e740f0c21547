"""``python -m soundness``: put many cases of known answer to every solver.

Exit code 1 where an answer is wrong; each such case is saved, and ``--replay FILE`` asks it again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from soundness.asking import answers, solvers
from soundness.records import load
from soundness.sweep import sweep, table

FOLDER = Path("results/soundness")


def main() -> int:
    """Run the sweep, or replay one case; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m soundness", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--solvers", help="NAME,NAME: instead of all that are here")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where wrong answers are kept")
    parser.add_argument("--unclear", action="store_true", help="keep unknown answers as well")
    parser.add_argument("--replay", type=Path, help="a case that was saved")
    given = parser.parse_args()
    names = solvers() if given.solvers is None else tuple(given.solvers.split(","))
    if given.replay is not None:
        return replay(given.replay)
    unclear = frozenset({"unknown", "open"} if given.unclear else ())
    began = time.monotonic()
    counts = sweep(given.first, given.cases, names, given.folder, given.jobs, unclear)
    print(table(counts))
    print(f"\n{counts.wrong} wrong answers; {time.monotonic() - began:,.0f} s")
    return 1 if counts.wrong else 0


def replay(path: Path) -> int:
    """Ask again what was answered wrongly."""
    case, answer = load(path)
    (again,) = answers(case, [answer.solver], [answer.mode], [answer.bounds])
    print(f"then: {answer}\nnow:  {again}")
    return 1 if again.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
