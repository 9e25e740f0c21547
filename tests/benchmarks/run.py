"""Times every stage of the pipeline on the shipped specs, and prints what it took: ``make bench``.

One thread, one run each. The neighborhoods asked about are shares of the *attack radius*: the least
radius along a direction at which the attack finds a violation, so that all above it is violated and
what is a little below it is hard.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from rich.console import Console
from rich.table import Table

from mlspec import load_spec, run
from mlspec.bounds.analysis import Bounder
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.milp.compile import Compiler
from mlspec.outlook import single_threaded
from mlspec.spec import ExperimentSpec

SPECS = ("small", "none_img3", "l0_img3", "pgd_img3")
SHARES = (0.9, 0.95, 0.99)
STAGES_AT = 0.8
"""Share of the attack radius at which bounds, attack and compiler are timed."""
SECONDS = 60.0
"""Time for one decision; one that takes longer is shown as unknown."""
SMALLEST = 1e-4


def directions(layers: int) -> dict[str, Array]:
    """Return the shapes of neighborhoods, each ``(K,)``."""
    number = np.arange(layers)
    every = {
        "object only": np.eye(layers)[0],
        "layers 0-3": (number < 4).astype(np.float64),
        "decaying": 1.0 / (1.0 + number),
        "all layers": np.ones(layers),
    }
    return every if layers > 4 else {name: every[name] for name in ("object only", "all layers")}


def attack_radius(problem: Problem, spec: ExperimentSpec, direction: Array) -> float:
    """Return the least radius along ``direction`` that the attack breaks, by halving, to 2 %."""
    verifier = run.verifier_of(problem, spec)

    def breaks(radius: float) -> bool:
        return verifier.weakest(radius * direction, thorough=True).violates

    high = 1.0
    while high > SMALLEST and breaks(high / 2):
        high /= 2
    low = high / 2
    while high > 1.02 * low:
        middle = (low + high) / 2
        low, high = (low, middle) if breaks(middle) else (middle, high)
    return high


def timed(work: Callable[[], object]) -> str:
    """Return the seconds that ``work`` takes."""
    began = time.perf_counter()
    work()
    return f"{time.perf_counter() - began:.3f}"


def stages(problem: Problem, spec: ExperimentSpec, eps: Array) -> list[str]:
    """Return the seconds of interval, CROWN, alpha-CROWN, attack and MILP compiler on ``eps``."""
    box = problem.neighborhood(eps).box
    bounder = Bounder(problem.relaxed, problem.property, run.ALPHA_ITERATIONS)
    crown = bounder.crown(box)
    alpha = bounder.alpha(crown)
    claim = alpha.claims[0].claim
    rows = range(len(claim.rows))
    compiler = Compiler(problem.relaxed)
    verifier = run.verifier_of(problem, spec)
    return [
        timed(lambda: bounder.interval(box)),
        timed(lambda: bounder.crown(box)),
        timed(lambda: bounder.alpha(crown)),
        timed(lambda: verifier.weakest(eps, thorough=True)),
        timed(lambda: compiler.compile(box, alpha.bounds(), claim, rows)),
    ]


def decision(problem: Problem, spec: ExperimentSpec, eps: Array) -> str:
    """Return the verdict on ``eps`` and its seconds."""
    milp = spec.verifier.milp.model_copy(update={"seconds": SECONDS})
    spec = spec.model_copy(update={"verifier": spec.verifier.model_copy(update={"milp": milp})})
    verdict = run.verifier_of(problem, spec).verify(eps, SECONDS)
    return f"{verdict.outcome.value}, {verdict.seconds:.1f}"


def main() -> None:
    """Print one row for each spec and direction."""
    console = Console(width=None if Console().is_terminal else 160)
    table = Table(title="Seconds of each stage", title_justify="left")
    for head in ("spec", "direction", "attack radius"):
        table.add_column(head)
    for head in ("interval", "CROWN", "alpha", "attack", "MILP compile"):
        table.add_column(head, justify="right")
    for share in SHARES:
        table.add_column(f"at {share:g} of it", no_wrap=True)
    began = time.perf_counter()
    with single_threaded():
        for name in SPECS:
            spec = load_spec(f"specs/{name}.yaml")
            problem = run.prepare(spec).problem
            for label, direction in directions(problem.layering.count).items():
                radius = attack_radius(problem, spec, direction)
                console.print(f"{name}, {label}: attack radius {radius:.4f}", style="dim")
                table.add_row(
                    name,
                    label,
                    f"{radius:.4f}",
                    *stages(problem, spec, STAGES_AT * radius * direction),
                    *[decision(problem, spec, share * radius * direction) for share in SHARES],
                )
    console.print(table)
    packages = ", ".join(f"{each} {version(each)}" for each in ("mlspec", "torch", "highspy"))
    console.print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, {packages}\n"
        f"{datetime.now(UTC):%Y-%m-%d}, {time.perf_counter() - began:.0f} s in all, one thread",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
