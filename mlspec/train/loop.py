"""The training loop: AdamW on fresh scenes, with averaged weights; the same seed, the same bits."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from mlspec.spec.training import Schedule, TrainingSpec
from mlspec.train.architectures import ARCHITECTURES, initialise
from mlspec.train.batches import SceneSource
from mlspec.train.defences import defence
from mlspec.train.losses import LOSSES

OnProgress = Callable[[int, int, float], None]
"""Called now and then with the step, the number of steps and the latest loss."""

_WARMUP = 0.05
_REPORT_EVERY = 50
_THREADS = 1
# Sums are split among threads, so another number of them rounds differently. The networks are too
# small to gain from a second one.


def fit(source: SceneSource, spec: TrainingSpec, on_progress: OnProgress | None) -> nn.Sequential:
    """Train a classifier on ``source``.

    Args:
        source: where the scenes come from.
        spec: architecture, loss, defence, schedule and seed.
        on_progress: told of the progress every 50 steps and at the end.

    Returns:
        The trained network, f: float32 (B, 1, H, W) -> (B, M), without gradients.
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
            if on_progress and (done % _REPORT_EVERY == 0 or done == schedule.steps):
                on_progress(done, schedule.steps, float(loss.detach()))
    return average


def learning_rate(schedule: Schedule, step: int) -> float:
    """The learning rate of one step (counted from 0)."""
    if schedule.shape == "constant":
        return schedule.learning_rate
    progress = (step + 0.5) / schedule.steps
    if progress < _WARMUP:
        return schedule.learning_rate * progress / _WARMUP
    fallen = (progress - _WARMUP) / (1.0 - _WARMUP)
    return schedule.learning_rate * 0.5 * (1.0 + math.cos(math.pi * fallen))


@contextmanager
def reproducible() -> Iterator[None]:
    """Deterministic algorithms and a fixed number of threads within the block; restored after."""
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(_THREADS)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
