"""From a training spec to a classifier and its accuracy, and on to an ONNX file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from mlspec.data import open_dataset
from mlspec.data.canvas import Composition
from mlspec.errors import DataError
from mlspec.spec.training import TrainingSpec
from mlspec.train import export
from mlspec.train.batches import SceneSource
from mlspec.train.evaluate import AccuracyReport, evaluate
from mlspec.train.loop import OnProgress, fit


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """A trained network, where it came from and how good it is."""

    spec: TrainingSpec
    """What it was trained by."""
    network: nn.Sequential = field(repr=False)
    """f: float32 (B, 1, H, W) -> (B, M)."""
    image_shape: tuple[int, int, int]
    """C, H, W of its images."""
    labels: tuple[str, ...]
    """Names of its scores, in order."""
    accuracy: AccuracyReport
    """Measured on the test split."""


def train(
    spec: TrainingSpec, on_progress: OnProgress | None = None, *, folder: Path | None = None
) -> TrainedClassifier:
    """Train and evaluate a classifier; the same spec gives the same bits.

    Args:
        spec: what to train.
        on_progress: told of step, number of steps and loss every 50 steps.
        folder: what the spec's paths are relative to; the working directory by default.

    Raises:
        DataError: the dataset is missing or malformed.
    """
    root = folder or Path()
    path = None if spec.dataset.path is None else root / spec.dataset.path
    train_set = open_dataset(spec.dataset.name, "train", path)
    test_set = open_dataset(spec.dataset.name, "test", path)
    if not isinstance(train_set, Composition):
        raise DataError(
            f"dataset {spec.dataset.name!r} is not composed of digits: cannot train on it"
        )
    layout = train_set.layout
    network = fit(SceneSource.of(train_set.pool, layout, spec.augmentation), spec, on_progress)
    return TrainedClassifier(
        spec,
        network,
        (1, layout.height, layout.width),
        train_set.labels,
        evaluate(network, test_set, spec.evaluation, spec.seed),
    )


def save(classifier: TrainedClassifier, folder: Path | None = None) -> Path:
    """Write a classifier to its spec's output file, an ONNX model.

    The model's metadata hold ``mlspec.training`` (the spec), ``mlspec.accuracy`` (the report), both
    as JSON, and ``mlspec.labels``, the scores' names separated by commas.

    Args:
        classifier: what to write.
        folder: what the spec's output is relative to; the working directory by default.

    Returns:
        The file written.
    """
    path = (folder or Path()) / classifier.spec.output
    metadata = {
        "mlspec.training": classifier.spec.model_dump_json(),
        "mlspec.accuracy": json.dumps(dataclasses.asdict(classifier.accuracy), ensure_ascii=False),
        "mlspec.labels": ",".join(classifier.labels),
    }
    model = export.to_onnx(
        classifier.network, classifier.image_shape, len(classifier.labels), metadata
    )
    export.write(model, path)
    return path
