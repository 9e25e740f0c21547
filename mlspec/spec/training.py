"""How a classifier is trained: the model behind ``specs/training/*.yaml``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mlspec.spec.base import Document, SpecModel
from mlspec.spec.unions import by_value, tag

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]
FileName = Annotated[str, Field(min_length=1)]


class TrainingDataset(SpecModel):
    """The scenes to learn from."""

    name: Literal["double-digits", "triple-digits", "double-mnist", "triple-mnist"] = (
        "double-digits"
    )
    """A dataset of composed scenes; fresh ones are drawn from its train digits in every step."""
    path: FileName | None = None
    """Folder of the MNIST files, relative to the folder of the spec; bundled digits need none."""


class NoDefence(SpecModel):
    """Ordinary training."""

    kind: Literal["none"] = "none"
    """The defence's name."""


class RectanglesDefence(SpecModel):
    """Training against few but arbitrarily changed pixels: black rectangles cover parts."""

    kind: Literal["l0"]
    """The defence's name."""
    count: Count = 3
    """Rectangles per image; their places are random."""
    min_side: Count = 4
    """Smallest side of a rectangle, in pixels."""
    max_side: Count = 12
    """Largest side of a rectangle, in pixels."""
    share: Fraction = 0.5
    """Share of the images that are covered; the others stay clean."""


class PgdDefence(SpecModel):
    """Adversarial training (Madry et al. 2018): each step learns from attacked images."""

    kind: Literal["pgd"]
    """The defence's name."""
    radius: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    """How far every pixel may move (l-infinity), on the scale where black is 0 and white is 1."""
    steps: Count = 5
    """Gradient steps of the attack."""
    warmup: Fraction = 0.2
    """Share of the training over which the radius grows from 0 to its value."""


Defence = Annotated[
    Annotated[NoDefence, tag("none")]
    | Annotated[RectanglesDefence, tag("l0")]
    | Annotated[PgdDefence, tag("pgd")],
    by_value("kind", "none", "l0", "pgd"),
]


class Augmentation(SpecModel):
    """Random changes of each digit before it is placed; all zero: the digits as they are."""

    rotation: Annotated[float, Field(ge=0.0, le=45.0)] = 0.0
    """Largest rotation to either side, in degrees."""
    scale: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Largest relative change of width and of height, each on its own."""
    shear: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Largest slant to either side: columns moved per row."""
    stroke: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """How much strokes grow or thin: grey levels are raised to a power in [1/(1+v), 1+v]."""


class Schedule(SpecModel):
    """How long and how fast to learn (AdamW)."""

    steps: Count = 20_000
    """Gradient steps."""
    batch: Count = 128
    """Scenes per step, drawn anew each time."""
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.005
    """Highest learning rate."""
    shape: Literal["cosine", "constant"] = "cosine"
    """Cosine: rises during the warm-up, then falls to 0 along a cosine."""
    warmup: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05
    """Share of the steps over which the learning rate rises to its highest value, for a cosine."""
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Decoupled weight decay of AdamW."""
    averaging: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Decay of the running average of the weights that is kept in the end; 0: the last weights."""


class Evaluation(SpecModel):
    """On what the accuracy is measured: scenes 0, 1, ... of the test split."""

    images: Count = 2000
    """Number of scenes."""
    radius: Annotated[float, Field(gt=0.0, le=1.0)] = 0.02
    """Radius of the l-infinity attack on every pixel."""
    steps: Count = 20
    """Gradient steps of that attack."""
    rectangles: Count = 3
    """Number of black rectangles that cover each image in the third row of the table."""
    side: Count = 8
    """Side of these rectangles, in pixels."""


class TrainingSpec(Document):
    """A classifier to train: its architecture, data, defence and schedule."""

    title: ClassVar[str] = "the spec of a training"
    command: ClassVar[str] = "mlspec train {file}"

    architecture: Literal["small", "large", "resnet-tiny"] = "small"
    """`small`: two convolutions, about 4,000 parameters; `large`: three, about 47,000;
    `resnet-tiny`: two residual blocks, about 11,000."""
    dataset: TrainingDataset = TrainingDataset()
    """The scenes to learn from."""
    defence: Defence = NoDefence()
    """What the classifier is hardened against: `none`, `l0` (rectangles) or `pgd`."""
    loss: Literal["ranking", "bce"] = "ranking"
    """`ranking`: every present label above every absent one; `bce`: each label on its own."""
    augmentation: Augmentation = Augmentation()
    """Random changes of the digits."""
    schedule: Schedule = Schedule()
    """How long and how fast to learn."""
    evaluation: Evaluation = Evaluation()
    """How the accuracy is measured."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Everything random follows from it: the same spec gives the same classifier."""
    output: FileName
    """The ONNX file to write, relative to the folder of the spec."""
