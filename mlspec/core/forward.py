"""The float64 reference forward pass: what every witness is replayed with."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array, Network


def scores(network: Network, images: Array) -> Array:
    """Return the scores ``(B, M)`` of ``images`` ``(B, C, H, W)``, computed in float64."""
    return values(network, images)[-1]


def values(network: Network, images: Array) -> list[Array]:
    """Return every value of the network for ``images`` ``(B, C, H, W)``: theirs first, scores
    last."""
    found = [np.asarray(images, dtype=np.float64)]
    if found[0].shape[1:] != network.input_shape:
        raise ValueError(
            f"images are {found[0].shape[1:]}, the network takes {network.input_shape}"
        )
    for op, inputs in zip(network.ops, network.inputs, strict=True):
        found.append(op.forward(*(found[value] for value in inputs)))
    return found


def magnitudes(network: Network, image: Array) -> list[Array]:
    """Return an upper bound of the absolute values of every value, for all images whose own are at
    most those of ``image`` ``(1, C, H, W)``."""
    found = [np.asarray(image, dtype=np.float64)]
    for op, inputs in zip(network.ops, network.inputs, strict=True):
        found.append(op.magnitude(*(found[value] for value in inputs)))
    return found
