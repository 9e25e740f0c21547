"""Questions of known answer: a problem, a radius, and what is true of its neighborhood.

Families:

- ``planted``: a spike inside the neighborhood, so narrow that samples miss it, whose tip violates;
- ``near miss``: the same with a tip that stays positive, by as little as 1e-7;
- ``outside``: a spike that ends, or violates, just outside, by as little as 1e-7;
- ``twins``, ``triangle``, ``exclusive``, ``paired``, ``convex``: margins that bounds see as far
  from positive, and that are positive by an identity, an inequality or their values at corners, by
  as little as 1e-7. The last three are planted too: they violate where they are largest.

What is true is computed in rational numbers. The robust families follow ideas of Troxell et al.,
"Stress-Testing Neural Network Verifiers with Provably Robust Instances" (arXiv 2605.17153), on
networks small enough to be asked about by the hundred thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from random_ops import one_of

from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.tolerances import MILP_MARGIN
from soundness import exact
from soundness.activations import acted
from soundness.claims import Draft, Roles, random_roles
from soundness.functions import (
    Part,
    Pooled,
    convex,
    exclusive,
    paired,
    single,
    triangle,
    twin,
)
from soundness.networks import Front
from soundness.settings import Setting, UnfitError, random_setting
from soundness.spikes import KINDS, Spot

FAMILIES: Mapping[str, int] = {
    "planted": 50,
    "near miss": 15,
    "outside": 10,
    "twins": 5,
    "triangle": 5,
    "exclusive": 5,
    "paired": 5,
    "convex": 5,
}
"""Families, and how many of a hundred cases are of each."""
DEPTHS, SHALLOW, LEAST = (-4.0, -1.0), (-9.0, -4.0), (-7.0, -2.0)
"""Decimal exponents of the margins by which planted images violate, as a rule and now and then, and
by which robust ones do not."""
OFTEN_SHALLOW = 0.1
"""The share of planted images that violate by so little."""
GROUND, MAGNITUDES = (-3.0, 0.0), (-1.0, 3.0)
"""Decimal exponents of margins that spikes come down from, and of weights of decoys."""
LEAST_AT_CENTRE = 1e-6
"""Around planted images the unchanged one is robust by at least this."""
DECOYS, PLANTED_TOO = 0.3, 0.3
"""The share of spikes that stand on a decoy, and of the other families that is planted."""
SPIKY = ("planted", "near miss", "outside")
ALWAYS_ROBUST = ("twins", "triangle")
OTHERS: Mapping[str, Callable[[np.random.Generator, Box, float], Part]] = {
    "twins": twin,
    "triangle": triangle,
    "exclusive": exclusive,
    "paired": paired,
    "convex": convex,
}
HAIR = 2 * MILP_MARGIN
"""So near to a tie a solver need not decide."""
REPLAY_ERROR = 1e-9
"""By no more do margins of these networks differ between float64 and rational numbers."""


@dataclass(frozen=True, eq=False)
class Case:
    """One question and its answer."""

    seed: int
    family: str
    kind: str
    """Of its spike, or else of what its margin is made of."""
    width: float
    """Of its spike; 0 where there is none."""
    problem: Problem
    eps: Array
    image: Array
    """``(C, H, W)``, inside the neighborhood: the weakest image that is known."""
    margin: Fraction
    """The margin of ``image``."""
    floor: Fraction | None
    """No margin of the neighborhood is below; None where ``image`` violates."""

    @property
    def robust(self) -> bool:
        """Whether the neighborhood is robust."""
        return self.floor is not None

    @property
    def truth(self) -> str:
        """What is true of the neighborhood, in words."""
        least = self.margin if self.floor is None else self.floor
        word = "violated" if self.floor is None else "robust"
        return word if abs(least) > HAIR else f"{word} by a hair"

    @property
    def place(self) -> str:
        """Where in the box ``image`` lies: at a ``corner``, on a ``face`` or in the
        ``interior``."""
        box = self.problem.neighborhood(self.eps).box
        moving = box.upper > box.lower
        at_end = (self.image == box.lower) | (self.image == box.upper)
        if at_end[moving].all():
            return "corner"
        return "face" if at_end[moving].any() else "interior"


def random_case(seed: int) -> Case:
    """Return the case of this number: the same each time."""
    rng = np.random.default_rng(seed)
    shares = np.array([*FAMILIES.values()])
    family = str(rng.choice(list(FAMILIES), p=shares / shares.sum()))
    while True:
        try:
            return _drawn(rng, seed, family)
        except UnfitError:
            continue


def cases() -> SearchStrategy[Case]:
    """Cases for hypothesis."""
    return st.integers(0, 2**32 - 1).map(random_case)


def _drawn(rng: np.random.Generator, seed: int, family: str) -> Case:
    """Return a case; raises UnfitError where its parts do not fit each other."""
    setting, roles = random_setting(rng), random_roles(rng)
    if family in SPIKY:
        kind, width, robust = one_of(rng, tuple(KINDS)), setting.width, family != "planted"
        point = setting.point(outside=family == "outside").reshape(setting.shape)
        draft = _spiked(setting, roles, KINDS[kind], point)
        image = setting.box.clip(point)
    else:
        kind, width = family, 0.0
        robust = family in ALWAYS_ROBUST or rng.random() >= PLANTED_TOO
        draft = _other(setting, roles, family)
        images = setting.candidates()
        image = images[np.argmin(draft.nearly(images)[:, 0])]
    holders = int(rng.integers(1, len(roles.moving) + 1)) if robust else 0
    depths = SHALLOW if rng.random() < OFTEN_SHALLOW else DEPTHS
    exponents = rng.uniform(*(LEAST if robust else depths), len(roles.moving))
    least = [Fraction(10.0**exponent) for exponent in exponents.tolist()]
    problem, floor = draft.settled(image, least, holders)
    margin = exact.margin(problem.network, problem.property, image)
    case = Case(seed, family, kind, width, problem, setting.eps, image, margin, floor)
    _check(case)
    return case


def _check(case: Case) -> None:
    """Assert that a case is what it claims to be; raises UnfitError where it is of no use."""
    problem, image = case.problem, case.image
    box = problem.neighborhood(case.eps).box
    assert np.array_equal(box.clip(image), image)
    replayed, centre = problem.margin(np.stack([image, problem.image])).tolist()
    if abs(Fraction(replayed) - case.margin) > REPLAY_ERROR:
        raise UnfitError("float64 is too coarse for a replay")
    if case.floor is not None:
        assert 0 < case.floor <= case.margin
        return
    assert case.margin < 0
    assert replayed < 0.0
    if not centre > LEAST_AT_CENTRE:
        raise UnfitError("the spike reaches the unchanged image")


def _spiked(
    setting: Setting, roles: Roles, make: Callable[[Spot], Part | Pooled], point: Array
) -> Draft:
    """Return margins that are lower in spikes at ``point`` ``(C, H, W)``: one for all, or one
    each; over an even ground, or over a decoy."""
    rng, moving = setting.rng, len(roles.moving)
    spot = Spot(rng, setting.box, point.ravel(), setting.width, setting.shape)
    shared = rng.random() < 0.5
    parts = [make(spot) for _ in range(1 if shared else moving)]
    owner = np.ones((moving, 1)) if shared else np.eye(moving)
    magnitude = 10.0 ** rng.uniform(*MAGNITUDES)
    if rng.random() < DECOYS:
        parts.append(one_of(rng, (twin, triangle))(rng, setting.box, magnitude))
    parts, front = _begun(setting, parts)
    tops = Draft(setting, roles, parts, np.eye(len(parts)), front).nearly(point[None])[0]
    tops = tops[: owner.shape[1]]
    if not (tops > 0.0).all():
        raise UnfitError("rounded to float32 the spike has no top")
    falls = 10.0 ** rng.uniform(*DEPTHS, moving) + 10.0 ** rng.uniform(*GROUND, moving)
    gains = single(-owner * falls[:, None] / tops)
    decoys = np.full(
        (moving, len(parts) - owner.shape[1]), 10.0 ** rng.uniform(*GROUND) / magnitude
    )
    return Draft(setting, roles, parts, np.hstack([gains, single(decoys)]), front)


def _other(setting: Setting, roles: Roles, family: str) -> Draft:
    """Return margins of the same shape for all labels, made of one part."""
    rng = setting.rng
    magnitude = 10.0 ** rng.uniform(*MAGNITUDES)
    (part,), front = _begun(setting, [OTHERS[family](rng, setting.box, magnitude)])
    gain = 10.0 ** rng.uniform(*GROUND) / magnitude
    if family not in ALWAYS_ROBUST:
        if not part.range[1] > 0:
            raise UnfitError("a margin that is the same everywhere")
        gain = -(10.0 ** rng.uniform(*GROUND)) / float(part.range[1])
    return Draft(setting, roles, [part], single(np.full((len(roles.moving), 1), gain)), front)


def _begun(setting: Setting, parts: Sequence[Part | Pooled]) -> tuple[list[Part | Pooled], Front]:
    """Return the parts with the activation that is drawn, and how they begin."""
    rng = setting.rng
    parts, activation = acted(rng, parts, setting.box)
    return parts, Front(bool(rng.random() < 0.3), activation)
