"""Trains classifiers of scenes with several objects, and writes them as ONNX."""

from mlspec.train.evaluate import AccuracyReport, AccuracyRow
from mlspec.train.from_torch import from_torch
from mlspec.train.loop import OnProgress
from mlspec.train.train import TrainedClassifier, output_of, save, train

__all__ = [
    "AccuracyReport",
    "AccuracyRow",
    "OnProgress",
    "TrainedClassifier",
    "from_torch",
    "output_of",
    "save",
    "train",
]
