"""Handwritten digits that need no download: scikit-learn's bundled set, enlarged to 28×28.

The source is the test part of the UCI set *Optical Recognition of Handwritten Digits* (E. Alpaydin,
C. Kaynak, 1998): 1797 images of 8×8 pixels with 17 grey levels.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits

from mlspec.data.pool import SIDE, DigitPool, split_by_class
from mlspec.data.sample import FloatArray

_BLACK, _WHITE = 0.2, 0.8
# Cubic interpolation surrounds each stroke with a faint halo. Everything up to _BLACK becomes
# exactly 0, which keeps masks as narrow as the strokes look; _WHITE restores full contrast.

_TEST_SHARE = 5


def enlarge(small: FloatArray) -> FloatArray:
    """Scale digits of 8×8 pixels to 28×28 by cubic interpolation, with a clean background.

    The result holds whole multiples of 1/255, so it survives being stored as an 8-bit image.

    Args:
        small: float64 (N, 8, 8) in [0, 1].

    Returns:
        float64 (N, 28, 28) in [0, 1].
    """
    factor = SIDE / small.shape[-1]
    smooth = ndimage.zoom(small, (1, factor, factor), order=3, mode="grid-constant", grid_mode=True)
    contrasted = np.clip((smooth - _BLACK) / (_WHITE - _BLACK), 0.0, 1.0)
    return np.asarray(np.round(contrasted * 255.0) / 255.0, dtype=np.float64)


@cache
def digit_pool(split: str) -> DigitPool:
    """The digits of one split: every fifth of each class is a test digit, the others train.

    Args:
        split: ``"train"`` or ``"test"``.
    """
    bundle = load_digits()
    classes = np.asarray(bundle.target, dtype=np.int64)
    chosen = split_by_class(classes, split, test_share=_TEST_SHARE)
    small = np.asarray(bundle.images, dtype=np.float64)[chosen] / 16.0
    return DigitPool(enlarge(small), classes[chosen])
