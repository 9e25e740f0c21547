"""Handwritten digits that need no download: scikit-learn's bundled set, enlarged to 28×28.

The source is the test part of the UCI set *Optical Recognition of Handwritten Digits* (E. Alpaydin,
C. Kaynak, 1998): 1797 images of 8×8 pixels with 17 grey levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits

from mlspec.data.pool import DigitPool, split_by_class
from mlspec.data.sample import FloatArray


@dataclass(frozen=True)
class Enlargement:
    """Scales digits to 28×28 by cubic interpolation, which surrounds strokes with a faint halo, and
    restores a black background and full contrast."""

    black: float = 0.2
    """Values up to this become exactly 0, so that masks are as narrow as the strokes look."""
    white: float = 0.8
    """Values from this on become 1."""

    def apply(self, small: FloatArray) -> FloatArray:
        """Return digits ``(N, 28, 28)`` in [0, 1] for ``small`` ones ``(N, 8, 8)`` in [0, 1].

        The values are whole multiples of 1/255, so they survive being stored as an 8-bit image.
        """
        factor = DigitPool.side / small.shape[-1]
        smooth = ndimage.zoom(
            small, (1, factor, factor), order=3, mode="grid-constant", grid_mode=True
        )
        contrasted = np.clip((smooth - self.black) / (self.white - self.black), 0.0, 1.0)
        return np.asarray(np.round(contrasted * 255.0) / 255.0, dtype=np.float64)


@cache
def digit_pool(split: str) -> DigitPool:
    """Return the digits of ``split``, ``"train"`` or ``"test"``."""
    bundle = load_digits()
    classes = np.asarray(bundle.target, dtype=np.int64)
    chosen = split_by_class(classes, split)
    small = np.asarray(bundle.images, dtype=np.float64)[chosen] / 16.0
    return DigitPool(Enlargement().apply(small), classes[chosen])
