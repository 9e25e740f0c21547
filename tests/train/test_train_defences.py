"""What the defences do to images: rectangles are black and inside, attacks stay in their ball."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mlspec.spec.training import NoDefence, PgdDefence, RectanglesDefence
from mlspec.train.architectures import initialise, small
from mlspec.train.defences import LinfAttack, Rectangles, defence
from mlspec.train.losses import ranking


def network() -> nn.Sequential:
    made = small(32, 32, 4)
    initialise(made, torch.Generator().manual_seed(0))
    return made


IMAGES = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(1))
PRESENT = torch.tensor([[1.0, 1.0, 0.0, 0.0]]).repeat(6, 1)


@given(seed=st.integers(0, 2**31), low=st.integers(1, 32), extra=st.integers(0, 31))
@settings(max_examples=40, deadline=None)
def test_one_rectangle_is_black_whole_and_of_its_size(seed: int, low: int, extra: int) -> None:
    high = min(32, low + extra)
    white = torch.ones(8, 3, 32, 32)
    rectangle = Rectangles(1, (low, high))
    covered = rectangle.cover(white, torch.Generator().manual_seed(seed))
    for image in covered:
        assert torch.equal(image, image[:1].expand(3, -1, -1))
        rows, columns = (image[0] == 0).any(dim=1), (image[0] == 0).any(dim=0)
        assert torch.equal(image[0] == 0, rows[:, None] & columns[None, :])
        for side in (rows, columns):
            assert low <= int(side.sum()) <= high
            assert int(side.nonzero().max() - side.nonzero().min()) + 1 == int(side.sum())


def test_rectangles_reach_every_pixel_and_leave_the_rest() -> None:
    white = torch.ones(3000, 1, 16, 16)
    covered = Rectangles(2, (2, 4)).cover(white, torch.Generator().manual_seed(0))
    assert (covered == 0).any(dim=0).all()
    assert set(covered.unique().tolist()) == {0.0, 1.0}
    assert white.all()


def test_attack_stays_in_its_ball_and_raises_the_loss() -> None:
    net, generator = network(), torch.Generator().manual_seed(2)
    moved = LinfAttack(0.1, 10).perturb(net, IMAGES, PRESENT, ranking, generator)
    assert (moved - IMAGES).abs().max() <= 0.1 + 1e-6
    assert moved.min() >= 0.0
    assert moved.max() <= 1.0
    assert not moved.requires_grad
    assert ranking(net(moved), PRESENT) > ranking(net(IMAGES), PRESENT) + 0.1
    assert all(parameter.grad is None for parameter in net.parameters())


def test_no_defence_leaves_images_alone() -> None:
    defend = defence(NoDefence(), ranking)
    assert defend(network(), IMAGES, PRESENT, 0.5, torch.Generator()) is IMAGES


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.5, 20, 80), (1.0, 99, 100)])
def test_rectangles_cover_their_share(share: float, least: int, most: int) -> None:
    defend = defence(RectanglesDefence(kind="l0", share=share), ranking)
    white = torch.ones(100, 1, 32, 32)
    defended = defend(network(), white, PRESENT, 0.0, torch.Generator().manual_seed(0))
    assert least <= int((defended == 0).flatten(1).any(dim=1).sum()) <= most


def test_radius_of_adversarial_training_grows() -> None:
    defend = defence(PgdDefence(kind="pgd", radius=0.1, steps=3, warmup=0.5), ranking)
    moved = [
        defend(network(), IMAGES, PRESENT, progress, torch.Generator().manual_seed(0))
        for progress in (0.0, 0.25, 0.5, 1.0)
    ]
    reach = [float((images - IMAGES).abs().max()) for images in moved]
    assert reach == pytest.approx([0.0, 0.05, 0.1, 0.1], abs=1e-6)
