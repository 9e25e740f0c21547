"""The architectures: exactly as declared, small enough, and drawn from a generator only."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from mlspec.spec.training import TrainingSpec
from mlspec.train.architectures import ARCHITECTURES, initialise, large, small
from mlspec.train.defences import defence
from mlspec.train.losses import LOSSES


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_specs_name_exactly_what_there_is() -> None:
    fields = TrainingSpec.model_fields
    assert set(get_args(fields["architecture"].annotation)) == set(ARCHITECTURES)
    assert set(get_args(fields["loss"].annotation)) == set(LOSSES)
    for kind in ("none", "l0", "pgd"):
        spec = TrainingSpec.read({"defence": {"kind": kind}, "output": "a.onnx"})
        assert callable(defence(spec.defence, LOSSES["bce"]))


def test_small_is_the_network_of_the_proposal() -> None:
    network = small(64, 64, 10)
    assert [type(op) for op in network] == [
        *(nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Flatten, nn.Linear)
    ]
    for op, channels in ((network[0], (1, 8)), (network[2], (8, 16))):
        assert isinstance(op, nn.Conv2d)
        assert (op.in_channels, op.out_channels) == channels
        assert (op.kernel_size, op.stride, op.padding) == ((3, 3), (2, 2), (1, 1))
    assert network[4].kernel_size == 4
    assert network[6].in_features == 256
    assert parameters(network) == 3818


def test_large_has_three_convolutions_and_few_parameters() -> None:
    network = large(64, 64, 10)
    assert sum(isinstance(op, nn.Conv2d) for op in network) == 3
    assert parameters(network) <= 60_000


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (84, 84), (65, 97)])
def test_any_canvas_fits(name: str, height: int, width: int) -> None:
    network = ARCHITECTURES[name](height, width, 7)
    before = torch.get_rng_state()
    initialise(network, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    scores = network(torch.zeros(2, 1, height, width))
    assert scores.shape == (2, 7)
    assert torch.isfinite(scores).all()


def test_seed_decides_the_start() -> None:
    made = []
    for seed in (0, 0, 1):
        network = small(64, 64, 10)
        initialise(network, torch.Generator().manual_seed(seed))
        made.append(network[6].weight)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
