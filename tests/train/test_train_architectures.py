"""The architectures: exactly as declared, small enough, and drawn from a generator only."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from mlspec.core import forward
from mlspec.errors import NetworkError
from mlspec.ops.add import Add
from mlspec.problem.onnx_import import read_network
from mlspec.spec.training import TrainingSpec
from mlspec.train import export
from mlspec.train.architectures import (
    ARCHITECTURES,
    Residual,
    initialise,
    large,
    resnet_tiny,
    small,
)
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


def test_resnet_tiny_has_two_residual_blocks_of_which_one_projects() -> None:
    network = resnet_tiny(64, 64, 10)
    blocks = [op for op in network if isinstance(op, Residual)]
    assert [len(block.skip) for block in blocks] == [1, 0]
    assert parameters(network) == 10_922
    initialise(network, torch.Generator().manual_seed(0))
    value = torch.rand(2, 16, 5, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(blocks[1](value), blocks[1].body(value) + value)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_is_read_back_from_its_file(name: str, tmp_path: Path) -> None:
    network = ARCHITECTURES[name](33, 40, 7)
    initialise(network, torch.Generator().manual_seed(0))
    path = tmp_path / "net.onnx"
    export.write(export.to_onnx(network, (1, 33, 40), 7, {}), path)
    images = torch.rand(3, 1, 33, 40, generator=torch.Generator().manual_seed(1))
    read = read_network(path)
    with torch.no_grad():
        expected = network(images).numpy()
    ours = forward.scores(read, images.double().numpy())
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
    adds = sum(isinstance(op, Add) for op in read.ops)
    assert adds == sum(isinstance(op, Residual) for op in network)


def test_what_cannot_be_written_is_named() -> None:
    network = nn.Sequential(Residual(nn.Sequential(nn.Tanh()), nn.Sequential()), nn.Flatten())
    with pytest.raises(NetworkError, match="op 0_body0 is a Tanh"):
        export.to_onnx(network, (1, 2, 2), 4, {})


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
