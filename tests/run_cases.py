"""Small searches, and what is true of every answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnxruntime
import xarray as xr
from attacks import pgd

from mlspec import load_spec
from mlspec.core.network import Array
from mlspec.run import problem_of
from mlspec.spec import ExperimentSpec

SMALL = "specs/small.yaml"
FRUGAL: Mapping[str, Any] = {
    "budget.queries": 1,
    "budget.seconds": 60.0,
    "verifier.attack.restarts": 8,
    "verifier.attack.steps": 20,
}
"""Makes a search of the small spec end after its first complete query: the same each time, however
slow the machine."""

SAMPLES = 10_000
BATCH = 500


def small(**changes: object) -> ExperimentSpec:
    """Return the small spec with ``changes``; ``__`` stands for a dot."""
    return load_spec(SMALL, {**FRUGAL, **{k.replace("__", "."): v for k, v in changes.items()}})


def samples(result: xr.Dataset, seed: int) -> Iterator[Array]:
    """Yield batches of images in the neighborhood of ``result``: random points and corners.

    Drawn from the stored image and radii alone. Every third image is uniform in the box, every
    third a random corner, and every third a corner of a few layers only.
    """
    rng = np.random.default_rng(seed)
    image, radius = result["image"].values, result["epsilon_map"].values
    layers = result["layer_index"].values
    for start in range(0, SAMPLES, BATCH):
        kind = np.arange(start, start + BATCH)[:, None, None, None] % 3
        shape = (BATCH, *image.shape)
        uniform = rng.uniform(-1.0, 1.0, shape)
        corner = rng.choice([-1.0, 1.0], shape)
        moved = rng.random((BATCH, result.sizes["layer"] + 1))[:, None, layers] < 0.3
        share = np.where(kind == 0, uniform, np.where(kind == 1, corner, corner * moved))
        yield np.clip(image + share * radius, 0.0, 1.0)


def violations(result: xr.Dataset, images: Array) -> int:
    """Count the violating ``images`` with onnxruntime: no code of mlspec but the stored bytes."""
    session = onnxruntime.InferenceSession(
        result["classifier_onnx"].values.tobytes(), providers=["CPUExecutionProvider"]
    )
    (entry,) = session.get_inputs()
    scores = session.run(None, {entry.name: images.astype(np.float32)})[0]
    names = result["label"].values.tolist()
    predicted = np.argsort(-scores, axis=1)[:, :2]
    (target,) = [names.index(name) for name in json.loads(result.attrs["targets"])]
    return int(np.sum(~np.any(predicted == target, axis=1)))


def assert_certified(result: xr.Dataset) -> None:
    """Neither samples nor a fresh, stronger attack with another seed find a violation inside."""
    assert float(result["size"]) > 0.0
    assert sum(violations(result, images) for images in samples(result, seed=20260)) == 0
    problem = problem_of(result)
    attack = pgd(problem, restarts=64, steps=200, seed=987_654_321)
    points = attack.find(result["epsilon"].values)
    assert points.margins[0] > 0.0


def assert_consistent(result: xr.Dataset) -> None:
    """The parts of an answer fit each other."""
    epsilon, weight = result["epsilon"].values, result["weight"].values
    assert np.all((epsilon >= 0.0) & (epsilon <= 1.0))
    assert float(result["size"]) == float(weight @ epsilon)
    assert float(result["upper_bound"]) >= float(result["size"])
    verdicts, sizes = result["step_verdict"].values, result["step_size"].values
    assert float(result["size"]) == max(sizes[verdicts == "robust"])
    # Every witness is violating, and none lies within the answer.
    witnesses, extents = result["witness_image"].values, result["cut_extents"].values
    assert np.all((witnesses >= 0.0) & (witnesses <= 1.0))
    assert not np.any(np.all(extents <= epsilon, axis=1))
    if len(witnesses):
        assert np.all(problem_of(result).margin(witnesses) <= 0.0)
    # A layer that is blocked by a witness shows one that needs that layer to be larger.
    for layer in np.flatnonzero(result["blocked_by"].values == "witness"):
        witness = result["blocking_witness"].values[layer]
        change = np.abs(witness - result["image"].values).max(axis=0)
        index = result["layer_index"].values
        reach = np.array([change[index == d].max() for d in range(len(epsilon))])
        assert reach[layer] > epsilon[layer]
        assert np.all(np.delete(reach, layer) <= np.delete(epsilon, layer) + 1e-9)
        assert problem_of(result).margin(witness[None])[0] <= 0.0
