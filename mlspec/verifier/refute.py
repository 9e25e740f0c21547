"""Refutes all neighborhoods between some radii at once.

A convex combination of images, one in each of some neighborhoods, lies in the neighborhood of the
same combination of their radii. Where bounds show that all convex combinations of the images
violate, no radius between those radii is robust, nor is a larger one.
"""

from __future__ import annotations

import numpy as np

from mlspec.attack.families import Families
from mlspec.attack.pgd import PgdAttack
from mlspec.bounds.analysis import Bounder
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.trace import Cut, Refutation
from mlspec.verifier.memory import Memory

HINTS = 4
"""Weak images that an attack begins from."""
BOUNDED = 2
"""Families that are bounded, at most."""


class Refuter:
    """Finds the images, and bounds what lies between them."""

    def __init__(
        self,
        problem: Problem,
        attack: PgdAttack,
        bounder: Bounder,
        families: Families,
        memory: Memory,
    ) -> None:
        self._problem = problem
        self._attack = attack
        self._bounder = bounder
        self._families = families
        self._memory = memory
        self._images: dict[bytes, Array] = {}

    def refute(self, radii: Array, deadline: Deadline = NEVER) -> Refutation:
        """Refute all convex combinations of ``radii`` ``(V, R)``, if it can before ``deadline``.

        Once that has passed, nothing is refuted, and no radius counts as unbroken.
        """
        cuts: list[Cut] = []
        images = []
        for number, eps in enumerate(radii):
            image = self._broken(eps, cuts, deadline)
            if image is None:
                return Refutation(False, None if deadline.passed else number, tuple(cuts))
            images.append(image)
        if deadline.passed:
            return Refutation(False, None, tuple(cuts))
        candidates = self._families.across(radii, np.stack(images))[:BOUNDED]
        throughout = any(
            not deadline.passed and self._bounder.violated_throughout(each) for each in candidates
        )
        margin = float(self._problem.margin(np.stack(images)).max())
        return Refutation(throughout, None, tuple(cuts), margin)

    def _broken(self, eps: Array, cuts: list[Cut], deadline: Deadline) -> Array | None:
        """Return a violating image of radius ``eps`` ``(R,)``, replayed, None if none is found;
        new ones join ``cuts``."""
        key = eps.tobytes()
        if key not in self._images:
            if deadline.passed:
                return None
            weak = list(self._families.at(eps)[:HINTS][::-1])
            image = weak[-1] if weak and self._violates(weak[-1]) else None
            if image is None:
                image = self._memory.witness_inside(eps)
                if image is None:
                    points = self._attack.find(eps, weak, deadline)
                    if not points.violates:
                        return None
                    image = points.images[0]
                    cuts.append(Cut(self._memory.note_witness(image), image))
            image = self._deepened(image, eps, deadline)
            self._families.learn(image, eps)
            self._images[key] = image
        return self._images[key]

    def _deepened(self, image: Array, eps: Array, deadline: Deadline) -> Array:
        """Return a clearer violation: what lies between two that are clear violates too."""
        deeper = self._attack.deepened(image, eps, deadline)
        return deeper if self._violates(deeper) else image

    def _violates(self, image: Array) -> bool:
        return bool(self._problem.margin(image[None])[0] <= 0.0)
