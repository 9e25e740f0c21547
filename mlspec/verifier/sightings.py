"""What images of a neighborhood show about its labels: each image counts for all labels at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlspec.core import forward
from mlspec.core.network import Array
from mlspec.core.problem import Problem


class Sightings:
    """Images on which labels are predicted, are missing, or change places."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        labels = problem.network.labels
        self.predicted: dict[int, Array] = {}
        """By label: an image ``(C, H, W)`` on which it is predicted."""
        self.missing: dict[int, Array] = {}
        """By label: an image ``(C, H, W)`` on which it is not."""
        self.reached: NDArray[np.bool_] = np.eye(labels, dtype=np.bool_)
        """``(M, M)``: on some image ``score[row] <= score[column]``."""

    def note(self, images: Array) -> None:
        """Take note of ``images`` ``(N, C, H, W)``; those that show something new are replayed,
        each alone: a product over a batch may round differently."""
        if not len(images):
            return
        for image, scores in zip(images, self._scores(images), strict=True):
            if self._learn(image, scores, dry=True):
                self._learn(image, self._scores(image[None])[0], dry=False)

    def both(self, label: int) -> bool:
        """Say whether the label is predicted on one image and not on another."""
        return label in self.predicted and label in self.missing

    def images(self) -> list[Array]:
        """Return the images of the labels, each once."""
        found = [*self.predicted.values(), *self.missing.values()]
        return list({id(image): image for image in found}.values())

    def _scores(self, images: Array) -> Array:
        return forward.scores(self._problem.network, images)

    def _learn(self, image: Array, scores: Array, *, dry: bool) -> bool:
        """Say whether an image shows anything new, and note what it shows unless ``dry``."""
        predicted = self._problem.property.rule.predicted(scores[None])[0]
        reached = scores[:, None] <= scores[None, :]
        news = bool((reached & ~self.reached).any())
        for label, is_predicted in enumerate(predicted.tolist()):
            seen = self.predicted if is_predicted else self.missing
            news |= label not in seen
            if not dry:
                seen.setdefault(label, image)
        if not dry:
            self.reached |= reached
        return news
