"""The search strategies side by side, on the same specs and budget: ``make bench-strategies``.

The gap is what an upper bound leaves open, ``upper bound / size - 1``. Complete queries are those
of the search itself; the certificate asks its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.tables import footer, markdown
from mlspec import load_spec, solve
from mlspec.core.trace import Ask
from mlspec.core.verdict import Outcome
from mlspec.report.numbers import above, below
from mlspec.report.words import stopped
from mlspec.search.shrink import POLICIES

VARIANTS: dict[str, tuple[str, ...]] = {
    "naive": ("search.strategy=naive",),
    **{
        f"gradient, {policy}": ("search.strategy=gradient", f"shrink.policy={policy}")
        for policy in POLICIES
    },
    **{
        f"proposal, {name}": ("search.strategy=proposal", *(f"shrink.{each}" for each in changes))
        for name, changes in {
            "fixed": ("policy=fixed",),
            "sensitivity": ("policy=sensitivity",),
            "sensitivity in prose order": ("policy=sensitivity", "order=prose"),
        }.items()
    },
    "ascent": ("search.strategy=ascent",),
    "exact": ("search.strategy=exact",),
}
"""What a spec is changed by, by the name of the variant."""
HEADS = (
    "spec",
    "strategy",
    "size",
    "upper bound",
    "gap",
    "complete queries (with MILP)",
    "answered by",
    "iterations",
    "until the first one's size",
    "certificate queries",
    "attacks",
    "seconds",
    "stopped by",
)


def row(name: str, variant: str, result: xr.Dataset, first: xr.Dataset) -> list[str]:
    """Return what one search came to, and how soon it was where the ``first`` one of its spec
    ended."""
    reached = queries_until(result, float(first["size"]))
    size, bound = float(result["size"]), float(result["upper_bound"])
    asks = result["query_ask"].values
    complete = asks == Ask.COMPLETE.value
    with_milp = np.count_nonzero(result["query_milp"].values[complete])
    return [
        f"`{name}`",
        variant,
        below(size, 4),
        above(bound, 4),
        percent(bound / size - 1) if size > 0 else "-",
        f"{np.count_nonzero(complete)} ({with_milp})",
        answered(result["query_stage"].values[complete]),
        f"{result.sizes['iteration'] or '-'}",
        "-" if reached is None else f"{reached}",
        f"{np.count_nonzero(asks == Ask.CERTIFICATE.value)}",
        f"{np.count_nonzero(asks == Ask.ATTACK.value)}",
        f"{float(result.attrs['wall_seconds']):.0f}",
        stopped(result),
    ]


def answered(stages: NDArray[np.str_]) -> str:
    """Return how many queries each stage answered, or gave up last."""
    names, counts = np.unique(stages, return_counts=True)
    return ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True)) or "-"


def queries_until(result: xr.Dataset, size: float) -> int | None:
    """Return how many complete queries had been asked when a neighborhood of ``size`` or more was
    certified; None if none was."""
    asks, verdicts = result["query_ask"].values, result["query_verdict"].values
    complete, robust = asks == Ask.COMPLETE.value, Outcome.ROBUST.value
    # Every proof that is asked for is a step, and what bounds certify on the way.
    steps = complete | (asks == Ask.CERTIFICATE.value)
    steps |= (asks == Ask.BOUND.value) & (verdicts == robust)
    certified = (result["step_verdict"].values == robust) & (result["step_size"].values >= size)
    asked = np.cumsum(complete)[steps][certified]
    return int(asked[0]) if len(asked) else None


def percent(share: float) -> str:
    """Return a share as a cell; the decimals of a large one say nothing."""
    return f"{100 * share:.1f} %" if share < 1.0 else f"{100 * share:,.0f} %"


def main(
    specs: Sequence[str], variants: Sequence[str], seconds: float, overrides: Sequence[str]
) -> None:
    """Print one row for each spec and variant; each search has ``seconds``.

    ``overrides`` change every spec alike, as ``layers.groups=[[0], [1, 2]]``.
    """
    began = time.perf_counter()
    rows = []
    for name in specs:
        results: list[xr.Dataset] = []
        for variant in variants or VARIANTS:
            budget = f"budget.seconds={seconds}"
            changes = [*overrides, budget, *VARIANTS[variant]]
            results.append(solve(load_spec(f"specs/{name}.yaml", changes)))
            rows.append(row(name, variant, results[-1], results[0]))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    print(markdown(HEADS, rows, words=2))
    print(f"\n{seconds:g} s each. {footer(('mlspec', 'torch', 'highspy'), began)}")
