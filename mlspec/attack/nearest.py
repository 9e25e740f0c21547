"""The smallest neighborhood on a path that an attack can break.

An attack at one radius that finds nothing says little: it may break a smaller one. So no failure
ends anything here. Batches of descents look for the radius itself (see ``falling``), first from
random images for every likely subset of rivals, then from random images for those that went far
down, and then again and again from the best images, some of their pixels thrown anew (iterated
local search, Lourenço, Martin, Stützle 2003). Linear programs bring the best to their minima.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlspec.attack.falling import Members, Pace, Way
from mlspec.attack.goals import Goals, closest, likely
from mlspec.attack.pgd import PgdAttack
from mlspec.attack.sharpen import sharpened
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import Path
from mlspec.tensors import CPU, TensorNetwork

FIRST = Pace(steps=30, first_step=0.5, first_change=0.1, last_change=0.01)
SECOND = Pace(steps=70, first_step=0.5, first_change=0.1, last_change=0.01)
AGAIN = Pace(steps=30, first_step=0.2, first_change=0.02, last_change=0.002)
GROUPS = 2
"""Where images settle is decided early: so many groups settle apart before they mix."""
WAVES = 8
"""How often the descent begins again from the best images; half as often in each group."""
ELITE = 8
"""Best images that a wave begins from."""
WORTHY = 1.05
"""Their shares are at most the least one times this."""
PROMISING = 1.3
"""Subsets are tried again if their share is at most the least one times this."""
THROWN = (0.0, 0.1, 0.2, 0.4, 0.7)
"""Shares of an image's values that are thrown anew."""
SHARPENING = 40
"""Linear programs at the end."""
DESCENDING = 0.8
"""Share of the time until a deadline after which they begin."""
START_BELOW = 0.99
"""The least part of the known share at which a wave's members begin."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """The violating image of the least share of a path that an attack found."""

    share: float
    """In [0, 1]."""
    image: Array
    """``(C, H, W)``, inside the neighborhood at ``share``, replayed in float64."""


class NearestAttack:
    """Finds witnesses that move little, for one problem."""

    def __init__(
        self,
        problem: Problem,
        restarts: int,
        seed: int,
        device: torch.device = CPU,
        waves: int = WAVES,
    ) -> None:
        self._problem = problem
        self._network = TensorNetwork(problem.relaxed, torch.float64, device)
        self._plain = PgdAttack(problem, restarts, FIRST.steps, seed, device)
        self._restarts = restarts
        self._seeds = np.random.SeedSequence(seed)
        self._waves = waves

    def find(
        self,
        path: Path,
        known: Sequence[Array] = (),
        deadline: Deadline = NEVER,
        waves: int | None = None,
    ) -> Nearest | None:
        """Return the violation of least share on ``path`` that is found, None if there is none.

        ``known`` holds violating images ``(C, H, W)`` to begin from, too. There are ``waves`` at
        most, and no more than this attack has. Once ``deadline`` has passed, the best by then is
        returned. Every call throws other images: the same calls in the same order give the same
        answers unless the deadline strikes.
        """
        (seed,) = self._seeds.spawn(1)
        way = Way(self._problem, path)
        image = self._problem.image
        if self._problem.margin(image[None])[0] <= 0.0:
            return Nearest(0.0, image)
        rng = np.random.default_rng(seed)
        end, deadline = deadline, deadline.within(DESCENDING * deadline.left)
        found = self._known(way, np.array([*known]).reshape(-1, *image.shape))
        if not deadline.passed:
            first = self._dealt(way, rng)
            least = found.shares.min(initial=np.inf)
            found = found.and_also(way.fall(self._network, first, FIRST, least, deadline))
        if not len(found) and not deadline.passed:
            found = self._at_the_end(way, deadline)
        if not len(found):
            return None
        waves = self._waves if waves is None else min(self._waves, waves)
        groups = [self._group(way, found, waves // 2, rng, deadline) for _ in range(GROUPS)]
        for group in groups:
            found = found.and_also(group)
        found = self._waves_from(way, found, waves, rng, deadline).nearest(ELITE)
        sharper = sharpened(way, self._network, found, SHARPENING, end)
        best = found.and_also(sharper).nearest(1)
        return Nearest(float(best.shares[0]), best.images[0])

    def sharpened(self, path: Path, share: float, image: Array, deadline: Deadline) -> Nearest:
        """Return a violation of at most ``share``, at which ``image`` ``(C, H, W)`` violates."""
        first = Members(image[None], np.array([share]), closest(self._problem, image[None]))
        way = Way(self._problem, path)
        sharper = sharpened(way, self._network, first, SHARPENING, deadline)
        best = first.and_also(sharper).nearest(1)
        return Nearest(float(best.shares[0]), best.images[0])

    def _group(
        self, way: Way, found: Members, waves: int, rng: np.random.Generator, deadline: Deadline
    ) -> Members:
        """Return violations that random images lead to, for the goals of ``found``."""
        least = float(found.shares.min())
        if deadline.passed:
            return found.take(np.arange(0))
        afresh = self._afresh(way, found.nearest(len(found)), rng)
        group = way.fall(self._network, afresh, SECOND, least, deadline)
        if not len(group):
            return group
        # A goal whose margins compete may be behind only because signed steps zigzag.
        rivals = group.nearest(len(group))
        rivals = rivals.take(_one_of_each(rivals.goals)[:ELITE])
        group = group.and_also(sharpened(way, self._network, rivals, SHARPENING // 2, deadline))
        return self._waves_from(way, group, waves, rng, deadline)

    def _waves_from(
        self, way: Way, found: Members, waves: int, rng: np.random.Generator, deadline: Deadline
    ) -> Members:
        """Return the best violations after ``waves`` that begin from those ``found``."""
        for _ in range(waves):
            if deadline.passed:
                break
            found = found.nearest(ELITE * 4)
            again = self._again(way, found, rng)
            least = float(found.shares[0])
            found = found.and_also(way.fall(self._network, again, AGAIN, least, deadline))
        return found

    def _known(self, way: Way, images: Array) -> Members:
        """Return up to ``ELITE`` of ``images`` ``(N, C, H, W)`` that violate on the path."""
        shares = way.shares_of(images)
        near = np.argsort(shares, kind="stable")[:ELITE]
        near = near[np.isfinite(shares[near])]
        members = Members(images[near], shares[near], closest(self._problem, images[near]))
        return way.violating(members)

    def _dealt(self, way: Way, rng: np.random.Generator) -> Members:
        """Return random images for all likely goals, the most likely ones first.

        Most begin about where the linearised margins fall to zero, every fourth anywhere above.
        """
        goals = likely(self._problem)
        centre = self._network.tensor(np.repeat(self._problem.image[None], len(goals), 0))

        def margins(points: Tensor) -> Tensor:
            return goals.margins(self._network.forward(points))

        linear = way.linear_shares(margins, centre)
        order = np.argsort(linear, kind="stable")
        chosen = np.resize(order, self._restarts)
        shares = linear[chosen] * rng.uniform(0.5, 2.0, self._restarts)
        shares[3::4] = linear[chosen][3::4] ** rng.random(len(shares[3::4]))
        shares = np.minimum(shares, 1.0)
        images = _random_images(way, shares, rng)
        images[: len(order)] = self._problem.image
        return Members(images, shares, goals.take(chosen))

    def _at_the_end(self, way: Way, deadline: Deadline) -> Members:
        """Return the violation that an attack finds at the end of the path, if any."""
        (radius,) = way.path(np.ones(1))
        points = self._plain.find(radius, deadline=deadline)
        images = points.images[points.margins <= 0.0]
        return self._known(way, images)

    def _afresh(self, way: Way, found: Members, rng: np.random.Generator) -> Members:
        """Return random images for the goals that went far down; some images of ``found``."""
        promising = found.take(np.flatnonzero(found.shares <= PROMISING * found.shares[0]))
        chosen = promising.take(np.resize(_one_of_each(promising.goals), self._restarts))
        shares = np.minimum(found.shares[0] * rng.uniform(0.9, 1.1, self._restarts), 1.0)
        images = _random_images(way, shares, rng)
        images[::4] = chosen.images[::4]
        return Members(images, shares, chosen.goals)

    def _again(self, way: Way, found: Members, rng: np.random.Generator) -> Members:
        """Return the best of ``found`` with some values thrown anew."""
        best = found.nearest(ELITE)
        worthy = np.flatnonzero(best.shares <= WORTHY * best.shares[0])
        chosen = best.take(np.resize(worthy, self._restarts))
        shares = best.shares[0] * rng.uniform(START_BELOW, 1.0, self._restarts)
        often = rng.choice(THROWN, self._restarts)[:, None, None, None]
        thrown = rng.random(chosen.images.shape) < often
        images = np.where(thrown, _random_images(way, shares, rng), chosen.images)
        return Members(images, shares, chosen.goals)


def _random_images(way: Way, shares: Array, rng: np.random.Generator) -> Array:
    """Return an image in each box, every second at a corner."""
    low, high = way.boxes(shares)
    place = rng.random(low.shape)
    place[::2] = np.round(place[::2])
    return np.asarray(low + place * (high - low))


def _one_of_each(goals: Goals) -> NDArray[np.intp]:
    """Return the number of the first member for each of the goals."""
    flat = np.concatenate([goals.rows.reshape(len(goals), -1), goals.offsets], axis=1)
    return np.sort(np.unique(flat, axis=0, return_index=True)[1])
