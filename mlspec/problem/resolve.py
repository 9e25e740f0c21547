"""Spec to Problem: reads every file it names and checks that the parts fit together.

Every mistake is an error at the place in the spec that causes it, before any long work starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from mlspec.attack.sensitivity import sensitivities
from mlspec.core import forward
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import DecisionRule, Property, Threshold, TopK
from mlspec.errors import NetworkError
from mlspec.problem.label_names import names_of
from mlspec.problem.layers import PartitionError
from mlspec.problem.onnx_comparison import largest_difference
from mlspec.problem.onnx_import import read_classifier
from mlspec.problem.partition import Centre, partition
from mlspec.problem.scene import Scene, centres_of, label_of, scene_of, union_of
from mlspec.spec import ExperimentSpec
from mlspec.spec import schema as specs
from mlspec.spec.source import did_you_mean


@dataclass(frozen=True, eq=False)
class Resolved:
    """A problem with what its spec's files say beyond it."""

    problem: Problem
    classifier_onnx: bytes
    object_label: str
    """Label of the object, or objects, that the layers surround; empty where nobody names it."""
    difference: float
    """Between the scores of the problem's network and those of onnxruntime, the largest seen."""


def resolve(spec: ExperimentSpec, *, misread: bool = False) -> Resolved:
    """Read the files of ``spec`` and return its problem.

    Raises SpecError, with the place in the spec, for missing or malformed files, shapes that do not
    fit, an empty mask, and, unless ``misread``, a target that the classifier does not predict.
    """
    source = spec.source
    file = source.resolve_path("classifier.onnx", spec.classifier.onnx)
    try:
        classifier = read_classifier(
            file,
            by_rank=isinstance(spec.classifier.decision, specs.TopK),
            input_shape=spec.classifier.input_shape,
            float16=spec.classifier.float16 == "as_float32",
        )
        network = classifier.network
        difference = largest_difference(classifier)
    except NetworkError as error:
        raise source.error("classifier.onnx", str(error)) from error
    names = names_of(spec, network)
    scene = scene_of(spec)
    if scene.image.shape != network.input_shape:
        raise source.error(
            "image",
            f"the image is {_shape(scene.image.shape)} (channels × height × width), the "
            f"classifier takes {_shape(network.input_shape)}",
        )
    property_ = Property(_rule(spec, network), _targets(spec, scene, names), len(names))
    centres = centres_of(spec, scene, [names[target] for target in property_.targets])
    layering = _layering(spec, scene, centres)
    if not misread:
        _check_prediction(spec, scene, network, property_, names)
    problem = Problem(
        network,
        scene.image,
        union_of(centres),
        layering,
        property_,
        _weights(spec, network, scene.image, property_, layering),
        names,
        spec.search.objective,
    )
    return Resolved(problem, classifier.onnx, label_of(centres), difference)


def _rule(spec: ExperimentSpec, network: Network) -> DecisionRule:
    match spec.classifier.decision:
        case specs.TopK(k=k):
            return TopK(k)
        case specs.Threshold(tau=tau, scale=scale):
            taus = tau if isinstance(tau, tuple) else (tau,) * network.labels
            if scale == "sigmoid":
                taus = tuple(float(np.log(each / (1.0 - each))) for each in taus)
            return Threshold(taus)
        case _:
            assert_never(spec.classifier.decision)


def _layering(spec: ExperimentSpec, scene: Scene, centres: Sequence[Centre]) -> Layering:
    layers = spec.layers
    try:
        layering = partition(layers, centres, spec.distance, spec.around == "each")
    except PartitionError as error:
        raise spec.source.error(f"layers.{error.key}", f"{error}; give fewer") from error
    return layering.directed(scene.image) if spec.asymmetric else layering


def _targets(spec: ExperimentSpec, scene: Scene, names: tuple[str, ...]) -> tuple[int, ...]:
    chosen = spec.targets
    if chosen is None:
        perturbed = [centre.label for centre in scene.perturbed]
        chosen = tuple(label for label in scene.labels if label not in perturbed)
        if not all(perturbed) or not scene.labels:
            raise spec.source.error(
                "target", "auto needs a dataset that names the objects of the image: give a label"
            )
        if not chosen:
            raise spec.source.error("target", "auto finds no other object: give the label to keep")
    unknown = [label for label in chosen if label not in names]
    if unknown:
        name = unknown[0]
        message = f"no label '{name}' in {', '.join(names)}{did_you_mean(name, names)}"
        raise spec.source.error("target", message)
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
    layers, distance = layering.layers, layering.distance
    match spec.weights:
        case "uniform":
            weights = np.ones(layers)
        case "linear":
            weights = 1.0 - distance / (distance.max() + 1)
        case "inverse_square":
            weights = 1.0 / np.square(1.0 + distance)
        case "inverse_cube":
            weights = 1.0 / np.power(1.0 + distance, 3)
        case "pixels":
            weights = layering.pixels / layering.pixels.sum()
        case "sensitivity":
            found = sensitivities(network, image, property_, layering)
            if not found.any():
                raise spec.source.error(
                    "weights", "no layer has any sensitivity here: choose other weights"
                )
            return np.asarray(found / found.max())
        case tuple(given):
            if len(given) != layers:
                raise spec.source.error(
                    "weights", f"{len(given)} weights for {layers} layers: give one per layer"
                )
            weights = np.asarray(given, dtype=np.float64)
        case _:
            assert_never(spec.weights)
    return np.asarray(weights[layering.layer_of])


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in shape)


def _listed(names: list[str]) -> str:
    return " and ".join(names) if names else "nothing"
