"""Minimum-norm attack: the violation of the least share of a path of growing neighborhoods.

An attack on one neighborhood that finds nothing proves nothing: a smaller one may be violated. So
no failure ends the search. Batches of descents look for the least share itself (``fmn_descent``),
in phases:

1. explore: from random images, for every likely target subset;
2. settle: in each of several populations, from random images again, for the subsets whose shares
   were low;
3. refine: from the best images with some values drawn anew, again and again (iterated local search,
   Lourenço, Martin, Stützle 2003), first within each population, then over all;
4. sequential linear programs bring the best images to local minima (see ``norm_slp``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from mlspec.attack.context import AttackContext
from mlspec.attack.fmn_descent import FmnDescent, Schedule
from mlspec.attack.linear_shares import LinearShares
from mlspec.attack.norm_slp import NormSlp
from mlspec.attack.path_boxes import Candidates, PathBoxes, Violation
from mlspec.attack.pgd import Pgd
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.core.protocols import EpsPath


@dataclass(frozen=True)
class Fmn:
    """The numbers of the minimum-norm attack."""

    restarts: int = 32
    """Images of a batch, which descend together."""
    explore: Schedule = Schedule(steps=30, first_step=0.5, first_change=0.1, last_change=0.01)
    """The first descent, from random images."""
    settle: Schedule = Schedule(steps=70, first_step=0.5, first_change=0.1, last_change=0.01)
    """The first descent of a population."""
    refine: Schedule = Schedule(steps=30, first_step=0.2, first_change=0.02, last_change=0.002)
    """The descent from the best images."""
    populations: int = 2
    """Populations that descend separately before they are joined: in which basin an image ends is
    decided early."""
    rounds: int = 8
    """Refinements of all populations together; each population alone has half as many before."""
    elite: int = 8
    """Best images that a refinement begins from, and that the linear programs move."""
    elite_ratio: float = 1.05
    """Their shares of the path are at most the least one times this."""
    promising_ratio: float = 1.3
    """A target subset is tried again if its share is at most the least one times this."""
    redrawn: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 0.7)
    """Shares of an image's values that a refinement draws anew, one at random for each image."""
    start_ratio: float = 0.99
    """A refinement begins at shares of the path from the least one times this to the least one."""
    spread: tuple[float, float] = (0.5, 2.0)
    """The first images begin at the share at which linearised margins fall to zero, times a random
    factor between these."""
    free_every: int = 4
    """One of so many first images begins at a random share above that, uniform in its logarithm."""
    settle_spread: tuple[float, float] = (0.9, 1.1)
    """A population begins at the least share known, times a random factor between these."""
    settled_every: int = 4
    """One of so many images of a population is a violation that is known."""
    pool: int = 4
    """Images kept from one refinement to the next, as a multiple of ``elite``."""
    extra_margins: int = 3
    """Margins beyond the ``k`` smallest at the centre whose subsets are targeted."""
    slp_steps: int = 40
    """Linear programs at the end; half as many in each population, for the best of each subset."""
    descent_share: float = 0.8
    """Share of the time until a deadline after which the last linear programs begin."""
    descent: FmnDescent = FmnDescent()
    """Moves images and shares together."""
    slp: NormSlp = NormSlp()
    """Moves images to local minima."""
    linear: LinearShares = LinearShares()
    """Estimates at which shares the first descent begins."""
    plain: Pgd = Pgd(steps=30)
    """Attacks the end of the path, with as many restarts, where no descent finds a violation."""

    def on(self, context: AttackContext, seed: int) -> FmnAttack:
        """Return this attack on one problem."""
        return FmnAttack(self, context, seed)


class FmnAttack:
    """A minimum-norm attack on one problem.

    Every call draws other random images: the same calls in the same order give the same answers,
    unless a deadline ends them.
    """

    def __init__(self, method: Fmn, context: AttackContext, seed: int) -> None:
        self._method = method
        self._context = context
        self._plain = replace(method.plain, restarts=method.restarts).on(context, seed)
        self._seeds = np.random.SeedSequence(seed)

    def find(
        self,
        path: EpsPath,
        known: Sequence[Array] = (),
        deadline: Deadline = NEVER,
        rounds: int | None = None,
    ) -> Violation | None:
        """Return the violation of least share on ``path`` that is found, None if there is none.

        ``known`` holds violating images ``(C, H, W)`` to begin from, too. There are at most
        ``rounds`` of refinement, and no more than the method has. Once ``deadline`` has passed, the
        best violation by then is returned.
        """
        (seed,) = self._seeds.spawn(1)
        image = self._context.problem.image
        if self._context.replay(image[None])[0] <= 0.0:
            return Violation(0.0, image)
        boxes, method = PathBoxes(self._context, path), self._method
        end, deadline = deadline, deadline.within(method.descent_share * deadline.left)
        run = _Run(method, boxes, np.random.default_rng(seed), deadline)
        found = run.known(np.array([*known]).reshape(-1, *image.shape))
        if not deadline.passed:
            start = run.random_for_likely_targets()
            found = found.joined(run.descend(start, method.explore, found))
        if not len(found) and not deadline.passed:
            (eps,) = path(np.ones(1))
            points = self._plain.find(eps, deadline=deadline)
            found = run.known(points.images[points.margins <= 0.0])
        if not len(found):
            return None
        rounds = method.rounds if rounds is None else min(method.rounds, rounds)
        populations = [run.population(found, rounds // 2) for _ in range(method.populations)]
        for population in populations:
            found = found.joined(population)
        found = run.refined(found, rounds).best(method.elite)
        lower = method.slp.descend(boxes, found, method.slp_steps, end)
        return found.joined(lower).violation

    def lowered(self, path: EpsPath, violation: Violation, deadline: Deadline = NEVER) -> Violation:
        """Return a violation that linear programs reach from this one, of at most its share."""
        boxes = PathBoxes(self._context, path)
        images = violation.image[None]
        targets = self._context.closest_targets(images)
        start = Candidates(images, np.array([violation.share]), targets)
        lower = self._method.slp.descend(boxes, start, self._method.slp_steps, deadline)
        return start.joined(lower).violation


@dataclass(frozen=True, eq=False)
class _Run:
    """One call of the attack."""

    method: Fmn
    boxes: PathBoxes
    rng: np.random.Generator
    deadline: Deadline

    def descend(self, start: Candidates, schedule: Schedule, found: Candidates) -> Candidates:
        """Return the violations that ``start`` leads to, at most a little beyond the least of
        ``found``."""
        known = found.shares.min(initial=np.inf)
        return self.method.descent.descend(self.boxes, start, schedule, known, self.deadline)

    def known(self, images: Array) -> Candidates:
        """Return those of ``images`` ``(N, C, H, W)`` that violate on the path: the best ones."""
        shares = self.boxes.shares_of(images)
        near = np.argsort(shares, kind="stable")[: self.method.elite]
        near = near[np.isfinite(shares[near])]
        targets = self.boxes.context.closest_targets(images[near])
        return self.boxes.violating(Candidates(images[near], shares[near], targets))

    def random_for_likely_targets(self) -> Candidates:
        """Return random images for all likely target subsets, the most likely ones first.

        Most begin about where the linearised margins fall to zero, every fourth anywhere above.
        """
        context, count = self.boxes.context, self.method.restarts
        targets = context.likely_targets(self.method.extra_margins)
        network, image = context.exact, context.problem.image
        centre = network.tensor(np.repeat(image[None], len(targets), 0))

        def margins(points: Tensor) -> Tensor:
            return targets.margins(network.forward(points))

        linear = self.method.linear.estimate(self.boxes, margins, centre)
        order = np.argsort(linear, kind="stable")
        chosen = np.resize(order, count)
        shares = linear[chosen] * self.rng.uniform(*self.method.spread, count)
        free = slice(self.method.free_every - 1, None, self.method.free_every)
        shares[free] = linear[chosen][free] ** self.rng.random(len(shares[free]))
        shares = np.minimum(shares, 1.0)
        images = self.boxes.random_images(shares, self.rng)
        images[: len(order)] = image
        return Candidates(images, shares, targets.take(chosen))

    def population(self, found: Candidates, rounds: int) -> Candidates:
        """Return violations that random images lead to, for the target subsets of ``found``."""
        if self.deadline.passed:
            return found.take(np.arange(0))
        start = self._random_for_promising_targets(found.best())
        members = self.descend(start, self.method.settle, found)
        if not len(members):
            return members
        # Signed steps zigzag where margins compete: a subset may look worse for that reason alone.
        best = members.best()
        best = best.take(best.targets.distinct()[: self.method.elite])
        slp = self.method.slp
        lower = slp.descend(self.boxes, best, self.method.slp_steps // 2, self.deadline)
        return self.refined(members.joined(lower), rounds)

    def refined(self, found: Candidates, rounds: int) -> Candidates:
        """Return the best violations after ``rounds`` of refinement of those ``found``."""
        for _ in range(rounds):
            if self.deadline.passed:
                break
            found = found.best(self.method.pool * self.method.elite)
            start = self._partly_redrawn(found)
            found = found.joined(self.descend(start, self.method.refine, found))
        return found

    def _random_for_promising_targets(self, found: Candidates) -> Candidates:
        """Return random images for the target subsets of low share, and some images of ``found``,
        which come by ascending share."""
        count, least = self.method.restarts, found.shares[0]
        low = found.shares <= self.method.promising_ratio * least
        promising = found.take(np.flatnonzero(low))
        chosen = promising.take(np.resize(promising.targets.distinct(), count))
        shares = np.minimum(least * self.rng.uniform(*self.method.settle_spread, count), 1.0)
        images = self.boxes.random_images(shares, self.rng)
        settled = slice(None, None, self.method.settled_every)
        images[settled] = chosen.images[settled]
        return Candidates(images, shares, chosen.targets)

    def _partly_redrawn(self, found: Candidates) -> Candidates:
        """Return the best of ``found`` with some values drawn anew."""
        method, count = self.method, self.method.restarts
        best = found.best(method.elite)
        elite = np.flatnonzero(best.shares <= method.elite_ratio * best.shares[0])
        chosen = best.take(np.resize(elite, count))
        shares = best.shares[0] * self.rng.uniform(method.start_ratio, 1.0, count)
        part = self.rng.choice(method.redrawn, count)[:, None, None, None]
        redrawn = self.rng.random(chosen.images.shape) < part
        images = np.where(redrawn, self.boxes.random_images(shares, self.rng), chosen.images)
        return Candidates(images, shares, chosen.targets)
