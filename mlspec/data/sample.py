"""What a dataset hands out: an image and the objects seen in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlspec.errors import DataError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

DIGIT_LABELS: tuple[str, ...] = tuple("0123456789")
"""Names of the ten classes of every digit dataset, in the order of a classifier's outputs."""


@dataclass(frozen=True, eq=False)
class SceneObject:
    """One labelled object of an image."""

    label: str
    """Name of its class, such as ``"3"``."""
    region: BoolArray | None = field(repr=False)
    """Its pixels, bool (H, W); None when the dataset cannot tell them."""
    why_no_region: str = field(default="", repr=False)
    """Why the pixels are unknown and what to do; shown to the user."""

    @property
    def mask(self) -> BoolArray:
        """The object's pixels, bool ``(H, W)``; raises DataError if the dataset does not know
        them."""
        if self.region is None:
            raise DataError(self.why_no_region)
        return self.region


@dataclass(frozen=True, eq=False)
class Sample:
    """An image with its objects, from left to right."""

    image: FloatArray = field(repr=False)
    """Pixels, float64 (1, H, W) in [0, 1]; the background is exactly 0."""
    objects: tuple[SceneObject, ...]
    """The objects in it; their labels differ."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The objects' labels, from left to right."""
        return tuple(item.label for item in self.objects)


class Dataset(Protocol):
    """A numbered collection of images whose objects are labelled."""

    @property
    def name(self) -> str:
        """The name the dataset was opened by."""

    @property
    def split(self) -> str:
        """``"train"`` or ``"test"``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All class names, in the order of a classifier's outputs."""

    def sample(self, index: int) -> Sample:
        """Return the image numbered ``index``, always the same one; raises DataError if there is
        none."""


def read_only(array: NDArray[np.generic]) -> None:
    """Forbid writing to ``array``, which is shared by several owners."""
    array.setflags(write=False)
