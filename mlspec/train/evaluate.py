"""The accuracy table: clean, under an l-infinity attack, and behind black rectangles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mlspec.data.sample import Dataset
from mlspec.spec.training import Evaluation
from mlspec.train.defences import LinfAttack, Rectangles
from mlspec.train.loop import reproducible
from mlspec.train.losses import all_margin, any_margin


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
    """Return the first scenes of a dataset, float32 ``(B, 1, H, W)``, and which labels are present,
    float32 ``(B, M)`` of 0 and 1."""
    samples = [dataset.sample(index) for index in range(images)]
    present = torch.zeros(images, len(dataset.labels))
    for row, sample in zip(present, samples, strict=True):
        row[[dataset.labels.index(label) for label in sample.labels]] = 1.0
    pixels = [torch.tensor(sample.image, dtype=torch.float32) for sample in samples]
    return torch.stack(pixels), present


def evaluate(
    network: nn.Module, dataset: Dataset, spec: Evaluation, seed: int, *, batch: int = 500
) -> AccuracyReport:
    """Measure the accuracy of a classifier, float32 ``(B, 1, H, W) -> (B, M)``, on the first scenes
    of ``dataset``.

    The attack raises the lead of the highest absent label over the lowest present one. A stronger
    attack could find more, so its row is an upper bound of the accuracy under attack. ``seed`` is
    for the attack's start and the rectangles' places; ``batch`` scenes are computed at once.
    """
    generator = torch.Generator().manual_seed(seed)
    images, present = scenes(dataset, spec.images)

    def lead(scores: Tensor, labels: Tensor) -> Tensor:
        return -all_margin(scores, labels).sum()

    attack = LinfAttack(spec.radius, spec.steps)
    rectangles = Rectangles(spec.rectangles, (spec.side, spec.side))
    with reproducible():
        batches = zip(torch.split(images, batch), torch.split(present, batch), strict=True)
        attacked = torch.cat([attack.perturb(network, x, y, lead, generator) for x, y in batches])
        conditions = {
            "clean": images,
            f"every pixel moved by up to {spec.radius:g}": attacked,
            f"{spec.rectangles} black rectangles of {spec.side}×{spec.side}": rectangles.cover(
                images, generator
            ),
        }
        rows = tuple(
            _row(condition, _scores(network, changed, batch), present)
            for condition, changed in conditions.items()
        )
    return AccuracyReport(dataset.name, spec.images, rows)


@torch.no_grad()
def _scores(network: nn.Module, images: Tensor, batch: int) -> Tensor:
    return torch.cat([network(part) for part in torch.split(images, batch)])


def _row(condition: str, scores: Tensor, present: Tensor) -> AccuracyRow:
    return AccuracyRow(
        condition,
        all_in_top=float((all_margin(scores, present) > 0).double().mean()),
        any_in_top=float((any_margin(scores, present) > 0).double().mean()),
    )
