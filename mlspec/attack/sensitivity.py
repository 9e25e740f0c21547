"""How sensitive the target's margin is to each layer, by the vanilla gradient at the image."""

from __future__ import annotations

import numpy as np
import torch

from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.property import Property
from mlspec.tensors import TensorNetwork


def sensitivities(network: Network, image: Array, property_: Property, layering: Layering) -> Array:
    """Return the mean ``|d margin / d pixel|`` of each layer ``(K,)`` at ``image`` ``(C, H, W)``.

    With a radius for each direction, ``(R,)``: the mean of what the margin loses that way. The
    margin is that of the weakest claim (Simonyan, Vedaldi, Zisserman 2013 take a class score).
    """
    net = TensorNetwork(network, torch.float64)
    point = net.tensor(image[None]).requires_grad_()
    scores = net.forward(point)
    plain = scores.detach().numpy()
    claim = min(property_.claims, key=lambda item: float(item.margin(plain)[0]))
    row = int(np.argsort(claim.margins(plain)[0])[claim.k - 1])
    (gradient,) = torch.autograd.grad((scores @ net.tensor(claim.rows[row])).sum(), point)
    slope = gradient.numpy()
    total = layering.total_by_radius(np.maximum(slope, 0.0), np.maximum(-slope, 0.0))[0]
    pixels = layering.pixels[layering.layer_of]
    return np.asarray(total / np.maximum(pixels * image.shape[0], 1))
