"""A pool of single digits, from which scenes are composed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mlspec.data.sample import FloatArray, read_only
from mlspec.errors import DataError

SPLITS: tuple[str, ...] = ("train", "test")


@dataclass(frozen=True, eq=False)
class DigitPool:
    """Single digits with their classes; raises DataError unless all ten occur."""

    side: ClassVar[int] = 28
    """Height and width of a digit, in pixels."""

    images: FloatArray = field(repr=False)
    """Pixels, float64 (N, 28, 28) in [0, 1]; the background is exactly 0."""
    classes: NDArray[np.int64] = field(repr=False)
    """Class numbers 0..9, int64 (N,)."""

    def __post_init__(self) -> None:
        missing = sorted(set(range(10)) - set(self.classes.tolist()))
        if missing:
            raise DataError(
                f"the digit pool holds no image of {missing}: all ten digits are needed"
            )
        read_only(self.images)
        read_only(self.classes)

    def members(self, digit: int) -> NDArray[np.int64]:
        """Return the numbers of the images that show ``digit``, ascending."""
        return np.flatnonzero(self.classes == digit).astype(np.int64)


def split_by_class(
    classes: NDArray[np.int64], split: str, *, test_every: int = 5
) -> NDArray[np.int64]:
    """Return the numbers of the digits that belong to ``split``, ``"train"`` or ``"test"``.

    ``classes`` ``(N,)`` are the digits' class numbers. Of each class, in the order given, every
    ``test_every``-th digit is a test digit and the others are train digits: both splits hold all
    classes and all parts of the collection alike, and share no digit.
    """
    is_test = np.zeros(len(classes), dtype=np.bool_)
    for digit in np.unique(classes):
        is_test[np.flatnonzero(classes == digit)[test_every - 1 :: test_every]] = True
    return np.flatnonzero(is_test if split == "test" else ~is_test).astype(np.int64)
