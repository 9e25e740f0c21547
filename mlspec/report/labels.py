"""What a classifier reads in an image near the one at the centre."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

import numpy as np
import xarray as xr

from mlspec.core import forward
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.property import Property, Threshold, TopK
from mlspec.report.numbers import listed
from mlspec.results import label_names_of, property_of


@dataclass(frozen=True, eq=False)
class LabelChange:
    """The labels that an image loses and gains against the image at the centre."""

    asked: Property
    names: tuple[str, ...]
    """Names of the labels."""
    before: Array
    """Scores of the image at the centre, ``(M,)``."""
    after: Array
    """Scores of the other image, ``(M,)``."""

    @cached_property
    def lost(self) -> list[str]:
        """The labels that are no longer predicted."""
        after = self._predicted(self.after)
        return [name for name in self._predicted(self.before) if name not in after]

    @cached_property
    def gained(self) -> list[str]:
        """The labels that are predicted instead, or beside."""
        before = self._predicted(self.before)
        return [name for name in self._predicted(self.after) if name not in before]

    @property
    def sentence(self) -> str:
        """What the classifier does: ``reads 9 as 8``."""
        if not self.lost:
            return "is at its decision boundary"
        if len(self.lost) == len(self.gained) == 1:
            return f"reads {self.lost[0]} as {self.gained[0]}"
        return f"loses {listed(self.lost)}" + (
            f" and sees {listed(self.gained)}" if self.gained else ""
        )

    @property
    def scores(self) -> list[tuple[str, float, float]]:
        """Each label that is lost or gained, with its score at the centre and in the image.

        Where several labels tie for the last of the top places, the strongest of them stands for
        those gained.
        """
        targets = [self.names[target] for target in self.asked.targets]
        shown = [*(self.lost or targets), *self.gained]
        if isinstance(self.asked.rule, TopK) and not self.gained:
            known = {*shown, *self._predicted(self.after)}
            strongest = [self.names[label] for label in np.argsort(-self.after, kind="stable")]
            shown += [name for name in strongest if name not in known][:1]
        places = [self.names.index(name) for name in shown]
        return [
            (self.names[place], float(self.before[place]), float(self.after[place]))
            for place in places
        ]

    @property
    def cause(self) -> str:
        """By what the lost labels are lost: to which labels, or below which threshold."""
        lost = listed(self.lost)
        match self.asked.rule:
            case TopK():
                if self.gained:
                    return f"{lost} is lost to {listed(self.gained)}"
                return f"{lost} ties with {self.scores[-1][0]}"
            case Threshold(tau):
                ends = [f"{tau[self.names.index(name)]:.4g}" for name in self.lost]
                return f"the score of {lost} is not above its threshold {listed(ends)}"
            case _:
                assert_never(self.asked.rule)

    def _predicted(self, scores: Array) -> list[str]:
        predicted = self.asked.rule.predicted(scores[None])[0]
        return [self.names[label] for label in np.flatnonzero(predicted)]


def label_change(ds: xr.Dataset, scores: Array) -> LabelChange:
    """Return what an image with ``scores`` ``(M,)`` changes against the image of a result."""
    return LabelChange(property_of(ds), label_names_of(ds), ds["scores"].values, scores)


def change_of_image(problem: Problem, image: Array) -> LabelChange:
    """Return what ``image`` ``(C, H, W)`` changes against the image of ``problem``."""
    before, after = forward.scores(problem.network, np.stack([problem.image, image]))
    return LabelChange(problem.property, problem.label_names, before, after)
