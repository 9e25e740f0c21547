"""A property in VNN-LIB as problems of robustness.

Inputs lie in a box, and outputs are asked for that meet linear constraints. The box becomes the
neighborhood of an image: the pixels ``t`` in [0, 1] stand for ``lower + (upper - lower) t``. The
network is robust iff no point of the box meets the constraints of any case.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

import numpy as np

from mlspec.core import forward
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Claim, Property, Threshold
from mlspec.errors import InputError
from mlspec.ops.scale import Scale
from mlspec.problem.onnx_import import Classifier
from mlspec.problem.vnnlib_text import Case, Question


@dataclass(frozen=True, eq=False)
class Region:
    """Points of a box whose outputs meet linear constraints, all of them."""

    outer: tuple[Array, Array]
    """Ends of the box, each ``(N,)``, rounded outwards: what is proved of this box holds."""
    inner: tuple[Array, Array]
    """The floats nearest to the ends, as every tool reads them: what lies between them counts as a
    counterexample."""
    rows: Array
    """``(n, M)``: ``rows @ outputs + offsets <= 0``."""
    offsets: Array
    """``(n,)``."""

    def holds(self, inputs: Array, outputs: Array) -> bool:
        """Say whether a point ``(N,)`` with its outputs ``(M,)`` lies in the region."""
        inside = (inputs >= self.inner[0]) & (inputs <= self.inner[1])
        return bool(inside.all() and (self.rows @ outputs + self.offsets <= 0.0).all())


@dataclass(frozen=True)
class Demanded(Property):
    """Claims that are given as such, not by a rule for labels."""

    demanded: tuple[Claim, ...] = ()

    @property
    def exact_claims(self) -> tuple[Claim, ...]:
        """Return them."""
        return self.demanded


def regions_of(question: Question, network: Network) -> list[Region]:
    """Return the regions that a property asks for; raises InputError where it does not fit the
    network, or leaves inputs without ends."""
    inputs, outputs = int(np.prod(network.input_shape)), network.labels
    if (question.inputs, question.outputs) != (inputs, outputs):
        raise InputError(
            f"the property has {question.inputs} inputs and {question.outputs} outputs, the "
            f"network {inputs} and {outputs}"
        )
    found = (_region(case, inputs, outputs) for case in question.cases)
    return [region for region in found if region is not None]


def _region(case: Case, inputs: int, outputs: int) -> Region | None:
    """Return the region of one case, None if no point of its box exists."""
    ends: list[list[Fraction | None]] = [[None, None] for _ in range(inputs)]
    rows, offsets = list[Array](), list[float]()
    for constraint in case:
        names = list(constraint.coefficients)
        if not names:
            if constraint.constant > 0:
                return None
        elif len(names) == 1 and names[0].startswith("X_"):
            (factor,) = constraint.coefficients.values()
            limit, side = -constraint.constant / factor, int(factor > 0)
            both = ends[int(names[0][2:])]
            known = both[side]
            both[side] = limit if known is None else (min if side else max)(known, limit)
        elif all(name.startswith("Y_") for name in names):
            row = np.zeros(outputs)
            for name, factor in constraint.coefficients.items():
                row[int(name[2:])] = float(factor)
            rows.append(row)
            offsets.append(float(constraint.constant))
        else:
            raise InputError(
                f"a constraint on {' and '.join(sorted(names)[:3])} is neither an end of one input "
                "nor one on outputs: it cannot be verified here"
            )
    lower, upper = zip(*ends, strict=True)
    open_ends = [number for number, both in enumerate(ends) if None in both]
    if open_ends:
        raise InputError(f"input X_{open_ends[0]} has no lower or no upper end")
    if any(low > up for low, up in zip(lower, upper, strict=True)):
        return None
    outer = _rounded(lower, up=False), _rounded(upper, up=True)
    inner = np.array([float(end) for end in lower]), np.array([float(end) for end in upper])
    return Region(outer, inner, np.array(rows).reshape(-1, outputs), np.array(offsets))


def _rounded(values: Iterable[Fraction], *, up: bool) -> Array:
    """Return the nearest floats that are not below, or not above."""
    found = []
    for value in values:
        near = float(value)
        wrong = Fraction(near) < value if up else Fraction(near) > value
        found.append(math.nextafter(near, math.inf if up else -math.inf) if wrong else near)
    return np.array(found)


def problems(classifier: Classifier, regions: Sequence[Region]) -> Iterator[Problem]:
    """Yield problems that are all robust iff no point lies in any of ``regions``.

    Cases of one constraint over one box are one problem; so are those of equally many.
    """

    def box(region: Region) -> tuple[bytes, bytes]:
        return region.outer[0].tobytes(), region.outer[1].tobytes()

    for _, same_box in groupby(sorted(regions, key=box), key=box):
        together = sorted(same_box, key=lambda region: len(region.rows))
        for count, group in groupby(together, key=lambda region: len(region.rows)):
            yield _problem(classifier, list(group), count)


def _problem(classifier: Classifier, regions: Sequence[Region], count: int) -> Problem:
    if count == 0:
        raise InputError("a case has no constraint on outputs: every point of its box is asked for")
    rows = np.stack([region.rows for region in regions])
    offsets = np.stack([region.offsets for region in regions])
    if count == 1:
        rows, offsets = rows.swapaxes(0, 1), offsets.swapaxes(0, 1)
    claims = tuple(
        Claim(0, each, shift, tuple(range(len(each))), count)
        for each, shift in zip(rows, offsets, strict=True)
    )
    network = over_unit_box(classifier, *regions[0].outer)
    labels = tuple(f"Y_{number}" for number in range(network.labels))
    channels, height, width = network.input_shape
    return Problem(
        network=network,
        image=np.full((channels, height, width), 0.5),
        object_mask=np.ones((height, width), dtype=bool),
        layering=Layering(np.zeros((height, width), dtype=np.int16), 1),
        property=Demanded(Threshold(()), (), network.labels, demanded=claims),
        weights=np.ones(1),
        label_names=labels,
    )


def over_unit_box(classifier: Classifier, lower: Array, upper: Array) -> Network:
    """Return the network over ``t`` in [0, 1], which stands for inputs from ``lower`` to at least
    ``upper``, in the order of the file."""
    network, places = classifier.network, classifier.places.ravel()
    width = upper - lower
    width = np.where(width > 0.0, np.nextafter(width, np.inf), 0.0)
    arranged = []
    for each in (width, lower):
        image = np.empty(len(each))
        image[places] = each
        arranged.append(image.reshape(network.input_shape))
    inputs = tuple(tuple(value + 1 for value in read) for read in network.inputs)
    return Network((Scale(*arranged), *network.ops), network.input_shape, ((0,), *inputs))


def counterexample(
    classifier: Classifier, regions: Iterable[Region], problem: Problem, image: Array
) -> tuple[Array, Array] | None:
    """Return inputs ``(N,)`` and outputs ``(M,)`` that lie in one of ``regions``, by a float64 pass
    of the network itself, given a witness of ``problem``; None if it is none.

    Inputs are float32 numbers where those will do: then other tools see the same point.
    """
    network, places = classifier.network, classifier.places.ravel()
    scaled = problem.network.ops[0].forward(image[None]).ravel()[places]
    for region in regions:
        exact = np.clip(scaled, *region.inner)
        for inputs in (exact.astype(np.float32).astype(np.float64), exact):
            arranged = np.empty(len(inputs))
            arranged[places] = inputs
            outputs = forward.scores(network, arranged.reshape(1, *network.input_shape))[0]
            if region.holds(inputs, outputs):
                return inputs, outputs
    return None
