"""The experiment spec: one YAML file that says what to solve and how."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from mlspec.spec.base import SpecModel
from mlspec.spec.image import FileName, Image, Index, Label, Mask
from mlspec.spec.search import Budget, Count, Search, Shrink, Solver, SolverChoice, Verifier
from mlspec.spec.source import did_you_mean
from mlspec.spec.unions import by_key, by_kind, by_value, complaint, tag

DIGITS = tuple("0123456789")
"""The label names that ``labels: digits`` stands for."""

DistanceName = Literal["linf", "l1", "l2"]
WeightsName = Literal["uniform", "linear", "inverse_square", "pixels", "sensitivity"]


class TopK(SpecModel):
    """The predicted labels are those with the k highest scores."""

    rule: Literal["top_k"] = "top_k"
    """Name of the rule."""
    k: Count = 2
    """How many labels an image has."""


class Threshold(SpecModel):
    """The predicted labels are those with a score of at least tau."""

    rule: Literal["threshold"]
    """Name of the rule."""
    tau: Annotated[
        Annotated[float, tag("number")]
        | Annotated[tuple[float, ...], tag("list"), Field(min_length=1)],
        by_kind("a number, or a list of one per label", number=(int, float), list=tuple),
    ]
    """The threshold: one for all labels, or a list of one per label."""
    scale: Literal["logit", "sigmoid"] = "sigmoid"
    """Whether tau is compared with the logit or with its sigmoid."""

    @model_validator(mode="after")
    def _reachable(self) -> Threshold:
        values = self.tau if isinstance(self.tau, tuple) else (self.tau,)
        if self.scale == "sigmoid" and not all(0 < tau < 1 for tau in values):
            message = "a sigmoid lies between 0 and 1: give such a tau, or scale: logit"
            raise complaint(message, at="tau")
        return self


class Classifier(SpecModel):
    """The network, the names of its outputs, and how scores become labels."""

    onnx: FileName
    """Path of the ONNX file, relative to the folder of the spec."""
    labels: Annotated[
        Annotated[Literal["digits"], tag("word")]
        | Annotated[tuple[Label, ...], tag("list"), Field(min_length=2)],
        by_kind("a list of label names", words=("digits",), list=tuple),
    ] = "digits"
    """Names of the network's outputs in their order; ``digits`` is 0 to 9."""
    decision: Annotated[
        Annotated[TopK, tag("top_k")] | Annotated[Threshold, tag("threshold")],
        by_value("rule", "top_k", "threshold"),
    ] = TopK()
    """How scores become predicted labels."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the outputs in their order."""
        return DIGITS if self.labels == "digits" else self.labels

    @model_validator(mode="after")
    def _labels_fit(self) -> Classifier:
        names, decision = self.label_names, self.decision
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise complaint(f"label '{repeated}' is there twice: names must differ", at="labels")
        if isinstance(decision, TopK) and decision.k >= len(names):
            message = f"k must be below the number of labels, {len(names)}; got {decision.k}"
            raise complaint(message, at="decision.k")
        tau = decision.tau if isinstance(decision, Threshold) else 0.0
        if isinstance(tau, tuple) and len(tau) != len(names):
            message = f"one tau per label is needed, {len(names)}; got {len(tau)}"
            raise complaint(message, at="decision.tau")
        return self


class LayerCount(SpecModel):
    """The layers nearest to the object, each with an epsilon of its own."""

    count: Annotated[
        Annotated[Literal["all"], tag("word")] | Annotated[Count, tag("number")],
        by_kind("a whole number of at least 1", words=("all",), number=int),
    ] = "all"
    """How many, the object itself being the first; pixels beyond do not move."""


class LayerGroups(SpecModel):
    """Layers merged into groups, each group with one epsilon."""

    groups: Annotated[
        tuple[Annotated[tuple[Index, ...], Field(min_length=1)], ...], Field(min_length=1)
    ]
    """Lists of layer numbers, the object being layer 0; layers in no group do not move."""

    @field_validator("groups")
    @classmethod
    def _disjoint(cls, groups: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        layers = [layer for group in groups for layer in group]
        repeated = next((layer for layer in layers if layers.count(layer) > 1), None)
        if repeated is not None:
            raise complaint(f"layer {repeated} is there twice: a layer belongs to one group")
        return groups


Layers = Annotated[
    Annotated[LayerCount, tag("count")] | Annotated[LayerGroups, tag("groups")],
    by_key("count", "groups"),
]


class ExperimentSpec(SpecModel):
    """How far each layer of pixels around an object may move before a label can be lost."""

    classifier: Classifier
    """The network under test."""
    image: Image
    """The image at the centre of the neighborhood."""
    target: Annotated[
        Annotated[Label, tag("text")]
        | Annotated[tuple[Label, ...], tag("list"), Field(min_length=1)],
        by_kind("auto, a label name, or a list of label names", text=(str, int), list=tuple),
    ] = "auto"
    """The labels that must not be lost: ``auto`` (that of the other object), a name, or a list."""
    object: Mask
    """The pixels of the perturbed object."""
    distance: DistanceName = "linf"
    """The norm that measures the distance of a pixel from the object."""
    layers: Layers = LayerCount()
    """The layers of pixels that may move."""
    weights: Annotated[
        Annotated[WeightsName, tag("word")]
        | Annotated[tuple[Annotated[float, Field(ge=0)], ...], tag("list"), Field(min_length=1)],
        by_kind("a list of numbers", words=get_args(WeightsName), list=tuple),
    ] = "uniform"
    """What an epsilon of each layer is worth: alike, falling linearly with the distance d, as
    1 / (1 + d)², by the number of pixels, by sensitivity, or a list of one number per layer or
    group."""
    shrink: Shrink = Shrink()
    """How a neighborhood that is not robust shrinks."""
    search: Search = Search()
    """How the neighborhood grows."""
    verifier: Verifier = Verifier()
    """How robustness is decided."""
    solver: Solver = SolverChoice()
    """The MILP solver; of a list, all run side by side and the first answer wins."""
    budget: Budget = Budget()
    """What the search may spend."""
    seed: Index = 0
    """Seed of every random choice."""

    @property
    def targets(self) -> tuple[str, ...] | None:
        """The names of the target labels; None is ``auto``."""
        if self.target == "auto":
            return None
        return (self.target,) if isinstance(self.target, str) else self.target

    @model_validator(mode="after")
    def _parts_fit(self) -> ExperimentSpec:
        names = self.classifier.label_names
        for name in self.targets or ():
            if name not in names:
                message = f"no label '{name}' in {', '.join(names)}{did_you_mean(name, names)}"
                raise complaint(message, at="target")
        if isinstance(self.weights, tuple):
            if not any(self.weights):
                raise complaint("all weights are zero: some layer must count", at="weights")
            layers = self.layers
            count = layers.count if isinstance(layers, LayerCount) else len(layers.groups)
            if count not in ("all", len(self.weights)):
                message = f"one weight per layer is needed, {count}; got {len(self.weights)}"
                raise complaint(message, at="weights")
        return self
