"""Images with known objects: bundled digits, MNIST files, the user's own images and masks."""

from mlspec.data.images import read_image, read_mask
from mlspec.data.registry import DATASETS, open_dataset
from mlspec.data.sample import DIGIT_LABELS, Dataset, Sample, SceneObject

__all__ = [
    "DATASETS",
    "DIGIT_LABELS",
    "Dataset",
    "Sample",
    "SceneObject",
    "open_dataset",
    "read_image",
    "read_mask",
]
