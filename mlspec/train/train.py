"""From a training spec to a classifier and its accuracy, and on to an ONNX file."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from mlspec.data import open_dataset
from mlspec.data.canvas import Composition
from mlspec.errors import DataError, SpecError
from mlspec.spec.source import COMMAND_LINE
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


def train(spec: TrainingSpec, on_progress: OnProgress | None = None) -> TrainedClassifier:
    """Train and evaluate the classifier that ``spec`` declares.

    The same spec gives the same bits on the same kind of machine and version of PyTorch.
    ``on_progress`` is called now and then with step, number of steps and loss. Raises SpecError if
    the dataset is missing or malformed.
    """
    train_set, test_set = _scenes(spec, "train"), _scenes(spec, "test")
    layout = train_set.layout
    source = SceneSource.of(train_set.pool, layout, spec.augmentation)
    network = fit(source, spec, on_progress)
    return TrainedClassifier(
        spec,
        network,
        (1, layout.height, layout.width),
        train_set.labels,
        evaluate(network, test_set, spec.evaluation, spec.seed),
    )


def save(classifier: TrainedClassifier, path: Path | None = None) -> Path:
    """Write a classifier as an ONNX model and return the file: ``path``, or the output that its
    spec names.

    The model's metadata hold ``mlspec.training`` (the spec), ``mlspec.accuracy`` (the report), both
    as JSON, and ``mlspec.labels``, the scores' names separated by commas. Raises InputError if the
    file cannot be written.
    """
    metadata = {
        "mlspec.training": classifier.spec.to_json(),
        "mlspec.accuracy": json.dumps(dataclasses.asdict(classifier.accuracy), ensure_ascii=False),
        "mlspec.labels": ",".join(classifier.labels),
    }
    model = export.to_onnx(
        classifier.network, classifier.image_shape, len(classifier.labels), metadata
    )
    file = path or output_of(classifier.spec)
    export.write(model, file)
    return file


def _scenes(spec: TrainingSpec, split: str) -> Composition:
    name, path = spec.dataset.name, spec.dataset.path
    folder = None
    if path is not None:
        try:
            folder = spec.source.resolve_path("dataset.path", path)
        except SpecError:
            folder = spec.source.folder / path  # Refused below, with word of what must lie there.
    try:
        dataset = open_dataset(name, split, folder)
    except DataError as error:
        raise spec.source.error("dataset.path" if path else "dataset", str(error)) from error
    if not isinstance(dataset, Composition):
        raise spec.source.error("dataset.name", f"{name!r} is not composed of single digits")
    return dataset


def output_of(spec: TrainingSpec) -> Path:
    """Return the file to write: a name given on the command line is relative to the working
    directory."""
    named_there = spec.source.mark(("output",)).origin == COMMAND_LINE
    folder = Path() if named_there else spec.source.folder
    return Path(os.path.normpath(folder / spec.output))
