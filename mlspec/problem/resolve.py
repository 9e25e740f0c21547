"""Spec to Problem: reads every file it names and checks that the parts fit together.

Every mistake is an error at the place in the spec that causes it, before any long work starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlspec.attack.sensitivity import sensitivities
from mlspec.core import forward
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import DecisionRule, Property, Threshold, TopK
from mlspec.errors import NetworkError
from mlspec.problem.layers import layers_around
from mlspec.problem.onnx_import import read_network
from mlspec.problem.scene import Scene, scene_of
from mlspec.spec import ExperimentSpec
from mlspec.spec import schema as specs
from mlspec.spec.schema import LayerGroups


@dataclass(frozen=True, eq=False)
class Resolved:
    """A problem with what its spec's files say beyond it."""

    problem: Problem
    classifier_onnx: bytes
    object_label: str
    """Label of the perturbed object; empty where nobody names it."""


def resolve(spec: ExperimentSpec) -> Resolved:
    """Read the files of ``spec`` and return its problem.

    Raises SpecError, with the place in the spec, for missing or malformed files, shapes that do not
    fit, an empty mask, and a target that the classifier does not predict.
    """
    source = spec.source
    file = source.resolve_path("classifier.onnx", spec.classifier.onnx)
    try:
        network = read_network(file)
    except NetworkError as error:
        raise source.error("classifier.onnx", str(error)) from error
    names = spec.classifier.label_names
    if network.labels != len(names):
        raise source.error(
            "classifier.labels",
            f"{len(names)} names, but the classifier has {network.labels} scores",
        )
    scene = scene_of(spec)
    if scene.image.shape != network.input_shape:
        raise source.error(
            "image",
            f"the image is {_shape(scene.image.shape)} (channels × height × width), the "
            f"classifier takes {_shape(network.input_shape)}",
        )
    layering = _layering(spec, scene.mask)
    property_ = Property(_rule(spec, network), _targets(spec, scene, names), len(names))
    _check_prediction(spec, scene, network, property_, names)
    problem = Problem(
        network,
        scene.image,
        scene.mask,
        layering,
        property_,
        _weights(spec, network, scene.image, property_, layering),
        names,
    )
    return Resolved(problem, file.read_bytes(), scene.object_label)


def _rule(spec: ExperimentSpec, network: Network) -> DecisionRule:
    decision = spec.classifier.decision
    if isinstance(decision, specs.TopK):
        return TopK(decision.k)
    taus = decision.tau if isinstance(decision.tau, tuple) else (decision.tau,) * network.labels
    if decision.scale == "sigmoid":
        taus = tuple(float(np.log(tau / (1.0 - tau))) for tau in taus)
    return Threshold(taus)


def _layering(spec: ExperimentSpec, mask: NDArray[np.bool_]) -> Layering:
    layers = spec.layers
    try:
        if isinstance(layers, LayerGroups):
            return layers_around(mask, spec.distance, groups=layers.groups)
        count = None if layers.count == "all" else layers.count
        return layers_around(mask, spec.distance, count=count)
    except ValueError as error:
        key = "groups" if isinstance(layers, LayerGroups) else "count"
        raise spec.source.error(f"layers.{key}", f"{error}; give fewer") from error


def _targets(spec: ExperimentSpec, scene: Scene, names: tuple[str, ...]) -> tuple[int, ...]:
    chosen = spec.targets
    if chosen is None:
        chosen = tuple(label for label in scene.labels if label != scene.object_label)
        if not scene.object_label or not chosen:
            raise spec.source.error(
                "target", "auto needs a dataset that names the objects of the image: give a label"
            )
        unknown = [label for label in chosen if label not in names]
        if unknown:
            raise spec.source.error("target", f"the classifier has no label '{unknown[0]}'")
    twice = [name for position, name in enumerate(chosen) if name in chosen[:position]]
    if twice:
        raise spec.source.error("target", f"label '{twice[0]}' is there twice: keep one")
    return tuple(names.index(name) for name in chosen)


def _check_prediction(
    spec: ExperimentSpec,
    scene: Scene,
    network: Network,
    property_: Property,
    names: tuple[str, ...],
) -> None:
    """Refuse an image that the classifier does not read right to begin with."""
    scores = forward.scores(network, scene.image[None])
    predicted = [names[i] for i in np.flatnonzero(property_.rule.predicted(scores)[0])]
    wanted = [names[target] for target in property_.targets]
    if spec.targets is None:
        wanted = list(scene.labels)
    missed = [name for name in wanted if name not in predicted]
    if missed:
        raise spec.source.error(
            "target" if spec.targets else "image",
            f"the classifier predicts {_listed(predicted)} for this image, not {_listed(missed)}: "
            "there is no robustness to measure; choose another image"
            + (" or target" if spec.targets else ""),
        )


def _weights(
    spec: ExperimentSpec,
    network: Network,
    image: Array,
    property_: Property,
    layering: Layering,
) -> Array:
    count = layering.count
    match spec.weights:
        case "uniform":
            return np.ones(count)
        case "linear":
            return np.asarray(1.0 - np.arange(count) / count)
        case "inverse_square":
            return np.asarray(1.0 / np.square(1.0 + np.arange(count)))
        case "pixels":
            return np.asarray(layering.pixels / layering.pixels.sum())
        case "sensitivity":
            found = sensitivities(network, image, property_, layering)
            if not found.any():
                raise spec.source.error(
                    "weights", "no layer has any sensitivity here: choose other weights"
                )
            return np.asarray(found / found.max())
        case tuple(given):
            if len(given) != count:
                raise spec.source.error(
                    "weights", f"{len(given)} weights for {count} layers: give one per layer"
                )
            return np.asarray(given, dtype=np.float64)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in shape)


def _listed(names: list[str]) -> str:
    return " and ".join(names) if names else "nothing"
