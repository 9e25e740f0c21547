"""The cases: shipped specs, directions to grow along, and the attack radius of each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlspec import load_spec, run
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.spec import ExperimentSpec
from mlspec.tensors import single_threaded

CLASSIFIERS = ("none_img3", "l0_img3", "pgd_img3")
"""Specs that ask the same of three classifiers."""
SPECS = ("small", *CLASSIFIERS)
ATTACK_SECONDS = 60.0
"""Far more than the attack takes."""


@dataclass(frozen=True, eq=False)
class Case:
    """One problem and one direction ``(K,)`` in the space of its epsilons."""

    name: str
    label: str
    """Which layers move."""
    spec: ExperimentSpec
    problem: Problem
    onnx: bytes
    """The classifier's file."""
    direction: Array

    @cached_property
    def attack_radius(self) -> float:
        """The least radius along the direction at which the attack finds a violation; at most
        1."""
        verifier = run.verifier_of(self.problem, self.spec)
        found = verifier.nearest(
            lambda shares: shares[:, None] * self.direction, Deadline.after(ATTACK_SECONDS)
        )
        return 1.0 if found is None else found[0]

    def eps(self, share: float) -> Array:
        """Return the epsilons ``(K,)`` at a share of the attack radius."""
        return share * self.attack_radius * self.direction


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


def rows_of(each: Iterable[Case], row: Callable[[Case], list[str]]) -> list[list[str]]:
    """Return a row for every case, on one thread; each is printed as soon as it is there."""
    rows = []
    with single_threaded():
        for case in each:
            rows.append(row(case))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    return rows


def cases(names: Sequence[str], labels: Sequence[str] = ()) -> Iterator[Case]:
    """Yield the cases of some specs along the directions of these ``labels``; none given: all."""
    for name in names:
        spec = load_spec(f"specs/{name}.yaml")
        experiment = run.prepare(spec)
        problem, onnx = experiment.problem, experiment.provenance.classifier_onnx
        for label, direction in directions(problem.layering.count).items():
            if not labels or label in labels:
                yield Case(name, label, spec, problem, onnx, direction)
