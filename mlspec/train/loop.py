"""The training loop: AdamW on fresh scenes, with averaged weights; the same seed, the same bits."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import assert_never

import torch
from torch import nn

from mlspec.spec.training import Schedule, TrainingSpec
from mlspec.train.architectures import ARCHITECTURES, initialise
from mlspec.train.batches import SceneSource
from mlspec.train.defences import defence
from mlspec.train.losses import LOSSES

OnProgress = Callable[[int, int, float], None]
"""Called now and then with the step, the number of steps and the latest loss."""


def fit(
    source: SceneSource,
    spec: TrainingSpec,
    on_progress: OnProgress | None,
    *,
    report_every: int = 50,
) -> nn.Sequential:
    """Train a classifier on the scenes of ``source``, as ``spec`` declares.

    ``on_progress`` is called every ``report_every`` steps and at the end. Returns the trained
    network, float32 ``(B, 1, H, W) -> (B, M)``, without gradients.
    """
    schedule = spec.schedule
    generator = torch.Generator().manual_seed(spec.seed)
    layout = source.layout
    network = ARCHITECTURES[spec.architecture](layout.height, layout.width, len(source.count))
    initialise(network, generator)
    average = copy.deepcopy(network).requires_grad_(False)
    loss_of = LOSSES[spec.loss]
    defend = defence(spec.defence, loss_of)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    with reproducible():
        for step in range(schedule.steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(schedule, step)
            images, present = source.draw(schedule.batch, generator)
            images = defend(network, images, present, step / schedule.steps, generator)
            optimizer.zero_grad()
            loss = loss_of(network(images), present)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            # Early on, the average of few steps must not be held back by the random start.
            decay = min(schedule.averaging, (1 + step) / (10 + step))
            for kept, current in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(current.detach(), 1.0 - decay)
            done = step + 1
            if on_progress and (done % report_every == 0 or done == schedule.steps):
                on_progress(done, schedule.steps, float(loss.detach()))
    return average


def learning_rate(schedule: Schedule, step: int) -> float:
    """Return the learning rate of one step, counted from 0."""
    match schedule.shape:
        case "constant":
            return schedule.learning_rate
        case "cosine":
            progress, warmup = (step + 0.5) / schedule.steps, schedule.warmup
            if progress < warmup:
                return schedule.learning_rate * progress / warmup
            fallen = (progress - warmup) / (1.0 - warmup)
            return schedule.learning_rate * 0.5 * (1.0 + math.cos(math.pi * fallen))
        case _:
            assert_never(schedule.shape)


@contextmanager
def reproducible(threads: int = 1) -> Iterator[None]:
    """Use deterministic algorithms and a fixed number of threads within the block.

    Sums are split among threads, so another number of them rounds differently. The networks are too
    small to gain from a second one.
    """
    before = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic)
