"""What a result stands and falls with, as SHA-256: the classifier's file and the image."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array


def digests(classifier_onnx: NDArray[np.uint8], image: Array) -> dict[str, str]:
    """Return the attributes ``classifier_sha256`` and ``image_sha256``.

    ``classifier_onnx`` holds the bytes of the ONNX file; ``image`` ``(C, H, W)`` counts as
    little-endian float64 in C order.
    """
    return {
        "classifier_sha256": hashlib.sha256(classifier_onnx.tobytes()).hexdigest(),
        "image_sha256": hashlib.sha256(np.asarray(image, dtype="<f8").tobytes()).hexdigest(),
    }
