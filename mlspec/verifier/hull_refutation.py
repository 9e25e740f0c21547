"""Hull refutation: proves that no convex combination of given eps vectors is robust.

Take one image in the neighborhood of each eps vector. A convex combination of the images lies in
the neighborhood of the same combination of the vectors. So where bounds show that all images of the
convex hull violate, no convex combination of the vectors is robust, and by monotonicity no larger
vector either.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlspec.attack.patterns import WitnessPatterns
from mlspec.attack.pgd import PgdAttack
from mlspec.bounds.crown import CrownBounder
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.trace import Cut, Refutation
from mlspec.verifier.memory import Memory


@dataclass(frozen=True, eq=False)
class HullRefutation:
    """Finds violating images of the eps vectors, and bounds the margins over their convex hull."""

    problem: Problem
    attack: PgdAttack
    crown: CrownBounder
    patterns: WitnessPatterns
    hints: int = 4
    """Images of known patterns that an attack begins from."""
    bounded: int = 2
    """Sets of images whose hull is bounded, at most."""
    _images: dict[bytes, Array] = field(default_factory=dict, init=False)
    """The violating image of each eps vector that was asked for, by its bytes."""

    def refute(self, vertices: Array, memory: Memory, deadline: Deadline = NEVER) -> Refutation:
        """Refute all convex combinations of ``vertices`` ``(V, R)``, if it can before ``deadline``.

        Witnesses are looked up in ``memory``, and new ones noted there. Once ``deadline`` has
        passed, nothing is refuted, and no vertex counts as unbroken.
        """
        cuts: list[Cut] = []
        images = []
        for number, eps in enumerate(vertices):
            image = self._violating(eps, memory, cuts, deadline)
            if image is None:
                return Refutation(False, None if deadline.passed else number, tuple(cuts))
            images.append(image)
        if deadline.passed:
            return Refutation(False, None, tuple(cuts))
        candidates = self.patterns.across(vertices, np.stack(images))[: self.bounded]
        throughout = any(
            not deadline.passed and self.crown.violated_throughout(each, deadline)
            for each in candidates
        )
        margin = float(self.problem.margin(np.stack(images)).max())
        return Refutation(throughout, None, tuple(cuts), margin)

    def _violating(
        self, eps: Array, memory: Memory, cuts: list[Cut], deadline: Deadline
    ) -> Array | None:
        """Return a violating image in the neighborhood of ``eps`` ``(R,)``, replayed; None if none
        is found.

        The cuts of new witnesses are appended to ``cuts``.
        """
        key = eps.tobytes()
        if key not in self._images:
            if deadline.passed:
                return None
            hints = list(self.patterns.at(eps)[: self.hints][::-1])
            image = hints[-1] if hints and self._violates(hints[-1]) else None
            if image is None:
                image = memory.witness_inside(eps)
            if image is None:
                points = self.attack.find(eps, hints, deadline)
                if not points.violates:
                    return None
                image = points.images[0]
                cuts.append(Cut(memory.note_witness(image), image))
            image = self._deepened(image, eps, deadline)
            self.patterns.learn(image, eps)
            self._images[key] = image
        return self._images[key]

    def _deepened(self, image: Array, eps: Array, deadline: Deadline) -> Array:
        """Return an image that violates more clearly: between two such images it is likelier that
        all violate."""
        deeper = self.attack.deepened(image, eps, deadline)
        return deeper if self._violates(deeper) else image

    def _violates(self, image: Array) -> bool:
        return bool(self.problem.margin(image[None])[0] <= 0.0)
