"""The experiment spec: one YAML file that says what to solve and how."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from mlspec.spec.base import Document, SpecModel
from mlspec.spec.image import FileName, Image, Index, Label, Mask
from mlspec.spec.layers import AroundName, LayerCount, Layers
from mlspec.spec.numbers import Count
from mlspec.spec.search import Budget, Search, Shrink, Solver, SolverChoice
from mlspec.spec.source import did_you_mean
from mlspec.spec.unions import by_kind, by_value, complaint, tag
from mlspec.spec.verifier import Verifier

DIGITS = tuple("0123456789")
"""The label names that ``labels: digits`` stands for."""

DistanceName = Literal["linf", "l1", "l2"]
WeightsName = Literal[
    "uniform", "linear", "inverse_square", "inverse_cube", "pixels", "sensitivity"
]


class TopK(SpecModel):
    """The predicted labels are those with the k highest scores."""

    rule: Literal["top_k"] = "top_k"
    """Name of the rule."""
    k: Count = 2
    """How many labels an image has."""


class Threshold(SpecModel):
    """The predicted labels are those with a score above tau."""

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


class LabelFile(SpecModel):
    """Names of the network's outputs in a text file, one a line."""

    file: FileName
    """Path of the file, relative to the folder of the spec."""


class Classifier(SpecModel):
    """The network, the names of its outputs, and how scores become labels."""

    onnx: FileName
    """Path of the ONNX file, relative to the folder of the spec."""
    labels: Annotated[
        Annotated[Literal["numbers", "digits"], tag("word")]
        | Annotated[LabelFile, tag("file")]
        | Annotated[tuple[Label, ...], tag("list"), Field(min_length=2)],
        by_kind(
            "a list of label names, or {file: FILE}",
            words=("numbers", "digits"),
            list=tuple,
            file=(dict, SpecModel),
        ),
    ] = "numbers"
    """Names of the network's outputs in their order: their numbers from 0 on, ``digits`` (0 to 9),
    a list, or a text file with one name a line."""
    decision: Annotated[
        Annotated[TopK, tag("top_k")] | Annotated[Threshold, tag("threshold")],
        by_value("rule", "top_k", "threshold"),
    ] = TopK()
    """How scores become predicted labels."""
    input_shape: tuple[Count, Count, Count] | None = None
    """Channels, rows and columns of the image, where the network takes it flat or with channels
    last: C, H, W."""
    float16: Literal["refuse", "as_float32"] = "refuse"
    """What to do with a network that computes in float16: refuse it, or verify it as if it computed
    in float32, which its runs in float16 may contradict."""

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The names of the outputs in their order; None where the network, or a file, has to be
        read for them."""
        if isinstance(self.labels, tuple):
            return self.labels
        return DIGITS if self.labels == "digits" else None

    @model_validator(mode="after")
    def _labels_fit(self) -> Classifier:
        names, decision = self.label_names, self.decision
        if names is None:
            return self
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


class ExperimentSpec(Document):
    """How far each layer of pixels around an object may move before a label can be lost."""

    title: ClassVar[str] = "the spec of an experiment"
    command: ClassVar[str] = "mlspec solve {file}"

    retired: ClassVar[tuple[str, ...]] = ("verifier.milp.processes",)

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
    object: Annotated[
        Annotated[Mask, tag("one")] | Annotated[tuple[Mask, ...], tag("list"), Field(min_length=1)],
        by_kind(
            "a mapping with exactly one of the keys mask, file, box, component_at, or a list of "
            "such mappings",
            one=(dict, SpecModel),
            list=tuple,
        ),
    ]
    """The pixels of the perturbed object. A list is several objects."""
    around: AroundName = "object"
    """What the layers surround: the perturbed ``object`` (the nearest, if there are several), the
    ``target``, ``all`` objects of the image (the nearest), or ``each`` perturbed object with layers
    of its own."""
    distance: DistanceName = "linf"
    """The norm that measures the distance of a pixel from what the layers surround."""
    layers: Layers = LayerCount()
    """Which pixels may move, and which of them share an epsilon."""
    asymmetric: bool = False
    """Whether each layer has one epsilon upwards and one downwards, instead of one for both."""
    weights: Annotated[
        Annotated[WeightsName, tag("word")]
        | Annotated[tuple[Annotated[float, Field(ge=0)], ...], tag("list"), Field(min_length=1)],
        by_kind("a list of numbers", words=get_args(WeightsName), list=tuple),
    ] = "uniform"
    """What an epsilon of each layer is worth: alike, falling linearly with the distance d, as
    1 / (1 + d)², by the number of pixels, by sensitivity, or a list of one number per layer, group
    or box. The distance of a group or a box is that of its nearest pixel.
    Sensitivity is that of the image itself: these weights define size and objective throughout. On
    the way it is estimated again at the weakest images of each neighborhood, and layers grow by
    that."""
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
    def objects(self) -> tuple[Mask, ...]:
        """The perturbed objects."""
        return self.object if isinstance(self.object, tuple) else (self.object,)

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
            if names is not None and name not in names:
                message = f"no label '{name}' in {', '.join(names)}{did_you_mean(name, names)}"
                raise complaint(message, at="target")
        if isinstance(self.weights, tuple):
            if not any(self.weights):
                raise complaint("all weights are zero: some layer must count", at="weights")
            count = self._declared_layers
            if count not in ("all", len(self.weights)):
                message = f"one weight per layer is needed, {count}; got {len(self.weights)}"
                raise complaint(message, at="weights")
        if self.around == "each":
            if len(self.objects) < 2:
                message = (
                    "each needs several perturbed objects: list them, object: "
                    "[{mask: dataset, index: 0}, {mask: dataset, index: 1}]"
                )
                raise complaint(message, at="around")
            if not self.layers.concentric:
                message = (
                    f"layers of its own for each object do not go with {self.layers.partition}: "
                    "give around: object, or all"
                )
                raise complaint(message, at="around")
        return self

    @property
    def _declared_layers(self) -> int | Literal["all"]:
        """The number of parts; ``all`` where only the image tells."""
        if self.around == "each":
            return "all"
        return self.layers.declared
