"""What is looked at: the image, and which of its pixels are the perturbed object."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from mlspec.spec.base import SpecModel
from mlspec.spec.unions import by_key, complaint, tag

DatasetName = Literal[
    "double-digits", "triple-digits", "double-mnist", "triple-mnist", "multi-mnist-folder"
]
"""Every dataset that an image can come from."""

FileName = Annotated[str, Field(min_length=1)]
"""A path, relative to the folder of the spec."""

Index = Annotated[int, Field(ge=0)]
"""A number that counts from zero."""


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Label = Annotated[
    str, BeforeValidator(_as_text, json_schema_input_type=str | int), Field(min_length=1)
]
"""The name of a label; a number such as 7 is taken as the text "7"."""


class DatasetImage(SpecModel):
    """A sample of a dataset."""

    dataset: DatasetName
    """Name of the dataset."""
    split: Literal["test", "train"] = "test"
    """Part of the dataset."""
    index: Index
    """Number of the sample in its split, from zero."""
    path: FileName | None = None
    """Folder that holds the files of the dataset, for a dataset that needs any."""


class FileImage(SpecModel):
    """An image file."""

    file: FileName
    """Path of the image, relative to the folder of the spec."""


Image = Annotated[
    Annotated[DatasetImage, tag("dataset")] | Annotated[FileImage, tag("file")],
    by_key("dataset", "file"),
]


class DatasetMask(SpecModel):
    """The pixels of one object of a dataset's sample, as the dataset knows them."""

    mask: Literal["dataset"]
    """``dataset``: the sample's own mask."""
    index: Index | None = None
    """Which object, counted from the left; the first if neither index nor label is given."""
    label: Label | None = None
    """Which object, by its label."""

    @model_validator(mode="after")
    def _one_choice(self) -> DatasetMask:
        if self.index is not None and self.label is not None:
            raise complaint("index and label both pick the object: keep one", at="label")
        return self


class FileMask(SpecModel):
    """The pixels of an image or array file that are not zero."""

    file: FileName
    """Path of the mask, relative to the folder of the spec; of the image's height and width."""


class BoxMask(SpecModel):
    """A rectangle of pixels."""

    box: tuple[Index, Index, Index, Index]
    """First row and column, then last row and column plus one: ``[y0, x0, y1, x1]``."""

    @model_validator(mode="after")
    def _not_empty(self) -> BoxMask:
        y0, x0, y1, x1 = self.box
        if not (y0 < y1 and x0 < x1):
            raise complaint(f"[{y0}, {x0}, {y1}, {x1}] is empty: y0 < y1 and x0 < x1", at="box")
        return self


class ComponentMask(SpecModel):
    """The connected bright pixels around a point."""

    component_at: tuple[Index, Index]
    """Row and column of a pixel of the object: ``[y, x]``."""
    brighter_than: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The intensity that a pixel of the object exceeds in some channel."""


Mask = Annotated[
    Annotated[DatasetMask, tag("mask")]
    | Annotated[FileMask, tag("file")]
    | Annotated[BoxMask, tag("box")]
    | Annotated[ComponentMask, tag("component_at")],
    by_key("mask", "file", "box", "component_at"),
]
