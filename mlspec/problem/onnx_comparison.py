"""A network held against onnxruntime, which computes what is deployed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime

from mlspec.core import forward
from mlspec.core.network import Array
from mlspec.errors import NetworkError
from mlspec.problem.onnx_file import first_line
from mlspec.problem.onnx_import import Classifier
from mlspec.tolerances import FLOAT16_AGREEMENT, FLOAT32_AGREEMENT


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _sigmoid(scores: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scores)))


ENDS: Final[Mapping[str, Callable[[Array], Array]]] = {
    "": lambda scores: scores,
    "LogSoftmax": lambda scores: np.log(np.maximum(_softmax(scores), np.finfo(float).tiny)),
    "Sigmoid": _sigmoid,
    "Softmax": _softmax,
}
"""What a file may end with, as functions of scores ``(B, M)``."""


@dataclass(frozen=True)
class Comparison:
    """Which images are compared."""

    uniform: int = 6
    """Images of random pixels in [0, 1]."""
    corners: int = 6
    """Images of random black and white pixels, besides all black and all white."""
    seed: int = 0

    def images(self, shape: tuple[int, ...]) -> Array:
        """Return the images ``(B, C, H, W)``."""
        rng = np.random.default_rng(self.seed)
        uniform = rng.random((self.uniform, *shape))
        corners = np.round(rng.random((self.corners, *shape)))
        return np.concatenate([uniform, corners, np.zeros((1, *shape)), np.ones((1, *shape))])


def largest_difference(classifier: Classifier, comparison: Comparison = Comparison()) -> float:
    """Return the largest difference between the network's outputs and those of onnxruntime.

    Raises NetworkError where it is more than the rounding of the file's numbers explains, or where
    onnxruntime cannot run the file.
    """
    network = classifier.network
    images = comparison.images(network.input_shape)
    try:
        session = _session(classifier.onnx)
        (entry,) = session.get_inputs()
        kind = np.dtype(_DTYPES.get(entry.type, "float64"))
        images = images.astype(kind).astype(np.float64)
        arranged = images.reshape(len(images), -1).astype(kind)[:, classifier.places]
        theirs = np.stack([_run(session, entry, image) for image in arranged])
    except Exception as error:
        raise NetworkError(f"onnxruntime cannot run it ({first_line(error)})") from error
    values = forward.values(network, images)
    ours = ENDS[classifier.end](values[-1])
    difference = float(np.abs(ours - theirs).max())
    largest = max(1.0, *(float(np.abs(value).max()) for value in values))
    agreement = FLOAT16_AGREEMENT if kind.itemsize < 4 else FLOAT32_AGREEMENT
    if not difference <= agreement * largest:
        raise NetworkError(
            f"its scores differ from those of onnxruntime by up to {difference:.3g}: please report "
            "the file; until then it cannot be verified"
        )
    return difference


_DTYPES: Final = {"tensor(float)": "float32", "tensor(float16)": "float16"}
"""What onnxruntime calls them."""


def _session(content: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run(session: Any, entry: Any, image: Any) -> Array:
    """Return the outputs ``(M,)`` for one image, arranged as the file takes it; a batch of fixed
    size is that image several times."""
    batch = entry.shape[0] if len(entry.shape) > 1 else 1
    copies = batch if isinstance(batch, int) and len(image) == 1 else 1
    (output,) = session.run(None, {entry.name: np.repeat(image, copies, axis=0)})
    first: Array = np.asarray(output, dtype=np.float64).reshape(copies, -1)[0]
    return first
