"""The accuracy table: clean, under an l-infinity attack, and behind black rectangles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mlspec.data.sample import Dataset
from mlspec.spec.training import Evaluation
from mlspec.train.defences import cover, perturb
from mlspec.train.loop import reproducible
from mlspec.train.losses import all_margin, any_margin

_CHUNK = 500


@dataclass(frozen=True)
class AccuracyRow:
    """Accuracy under one condition, for k objects in each image."""

    condition: str
    """What was done to the images."""
    all_in_top: float
    """Share of the images whose objects are all among the k highest scores; a tie is a miss."""
    any_in_top: float
    """Share of the images of which at least one object is."""


@dataclass(frozen=True)
class AccuracyReport:
    """Accuracy of a classifier on the first scenes of a dataset's test split."""

    dataset: str
    """Name of the dataset."""
    images: int
    """Number of test scenes."""
    rows: tuple[AccuracyRow, ...]
    """Clean, attacked, covered."""


def scenes(dataset: Dataset, images: int) -> tuple[Tensor, Tensor]:
    """The first scenes of a dataset: float32 (B, 1, H, W), and present labels float32 (B, M)."""
    samples = [dataset.sample(index) for index in range(images)]
    present = torch.zeros(images, len(dataset.labels))
    for row, sample in zip(present, samples, strict=True):
        row[[dataset.labels.index(label) for label in sample.labels]] = 1.0
    pixels = [torch.tensor(sample.image, dtype=torch.float32) for sample in samples]
    return torch.stack(pixels), present


def evaluate(network: nn.Module, dataset: Dataset, spec: Evaluation, seed: int) -> AccuracyReport:
    """Measure the accuracy of a classifier.

    The attack raises the rivals' lead over the weakest label by projected gradient. A stronger one
    could find more, so its row bounds the accuracy under attack from above.

    Args:
        network: f: float32 (B, 1, H, W) -> (B, M).
        dataset: whose first scenes are used.
        spec: number of scenes, attack, rectangles.
        seed: for the attack's start and the rectangles' places.
    """
    generator = torch.Generator().manual_seed(seed)
    images, present = scenes(dataset, spec.images)

    def lead(scores: Tensor, labels: Tensor) -> Tensor:
        return -all_margin(scores, labels).sum()

    with reproducible():
        attacked = [
            perturb(network, x, y, lead, radius=spec.radius, steps=spec.steps, generator=generator)
            for x, y in zip(torch.split(images, _CHUNK), torch.split(present, _CHUNK), strict=True)
        ]
        covered = cover(images, spec.rectangles, (spec.side, spec.side), generator)
        rows = (
            _row("clean", network, images, present),
            _row(
                f"every pixel moved by up to {spec.radius:g}", network, torch.cat(attacked), present
            ),
            _row(
                f"{spec.rectangles} black rectangles of {spec.side}×{spec.side}",
                network,
                covered,
                present,
            ),
        )
    return AccuracyReport(dataset.name, spec.images, rows)


@torch.no_grad()
def _row(condition: str, network: nn.Module, images: Tensor, present: Tensor) -> AccuracyRow:
    scores = torch.cat([network(chunk) for chunk in torch.split(images, _CHUNK)])
    return AccuracyRow(
        condition,
        all_in_top=float((all_margin(scores, present) > 0).double().mean()),
        any_in_top=float((any_margin(scores, present) > 0).double().mean()),
    )
