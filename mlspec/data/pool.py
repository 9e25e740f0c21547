"""A pool of single digits, from which scenes are composed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlspec.data.sample import FloatArray, read_only
from mlspec.errors import DataError

SIDE = 28
"""Height and width of a single digit, in pixels."""

SPLITS: tuple[str, ...] = ("train", "test")


@dataclass(frozen=True, eq=False)
class DigitPool:
    """Single digits with their classes; every class occurs."""

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
        """Numbers of the pool's images that show ``digit``, int64, ascending."""
        return np.flatnonzero(self.classes == digit).astype(np.int64)


def split_by_class(classes: NDArray[np.int64], split: str, *, test_share: int) -> NDArray[np.int64]:
    """Numbers of the digits that belong to ``split``; the two splits share none.

    Every ``test_share``-th digit of each class, in the order given, is a test digit, so that both
    splits hold all classes and all parts of the collection alike.

    Args:
        classes: class numbers, int64 (N,).
        split: ``"train"`` or ``"test"``.
        test_share: one digit in so many goes to the test split.
    """
    is_test = np.zeros(len(classes), dtype=np.bool_)
    for digit in np.unique(classes):
        is_test[np.flatnonzero(classes == digit)[test_share - 1 :: test_share]] = True
    return np.flatnonzero(is_test if split == "test" else ~is_test).astype(np.int64)
