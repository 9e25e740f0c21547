"""How sensitive the target's margin is to each layer, by the vanilla gradient at an image."""

from __future__ import annotations

import numpy as np
import torch

from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property
from mlspec.core.protocols import Steer
from mlspec.core.verdict import WeakestPoints
from mlspec.tensors import TensorNetwork


def sensitivities(network: Network, image: Array, property_: Property, layering: Layering) -> Array:
    """Return the mean ``|d margin / d pixel|`` of each layer ``(K,)`` at ``image`` ``(C, H, W)``.

    With an epsilon for each direction, ``(R,)``: the mean decrease of the margin in that direction.
    The margin is that of the weakest claim (Simonyan, Vedaldi, Zisserman 2013 take a class score).
    """
    return _at(TensorNetwork(network, torch.float64), image, property_, layering)


def steering(problem: Problem) -> Steer:
    """Return what estimates the sensitivities again, on the weakest images of a neighborhood.

    Gradients change with the image: what the layers are sensitive to at the centre need not be what
    an attack uses. The estimate is the mean over the weakest images, the largest weight being 1;
    where it is 0 throughout, the weights of ``problem``.
    """
    net = TensorNetwork(problem.network, torch.float64)

    def weights(points: WeakestPoints) -> Array:
        images = points.images
        found = sum(_at(net, image, problem.property, problem.layering) for image in images)
        found = np.asarray(found)
        return found / found.max() if found.any() else problem.weights

    return weights


def _at(net: TensorNetwork, image: Array, property_: Property, layering: Layering) -> Array:
    point = net.tensor(image[None]).requires_grad_()
    scores = net.forward(point)
    plain = scores[0].detach().numpy()
    claim = property_.weakest_claim(plain)
    row = int(claim.smallest(plain)[-1])
    (gradient,) = torch.autograd.grad((scores @ net.tensor(claim.rows[row])).sum(), point)
    slope = gradient.numpy()
    total = layering.total_by_radius(np.maximum(slope, 0.0), np.maximum(-slope, 0.0))[0]
    pixels = layering.pixels[layering.layer_of]
    return np.asarray(total / np.maximum(pixels * image.shape[0], 1))
