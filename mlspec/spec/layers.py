"""Which pixels share an epsilon: layers, groups of layers, boxes, single pixels, or all."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema

from mlspec.spec.base import SpecModel
from mlspec.spec.image import Index
from mlspec.spec.numbers import Count
from mlspec.spec.unions import by_kind, by_value, complaint, tag

AroundName = Literal["object", "target", "all", "each"]

HowMany = Annotated[
    Annotated[Literal["all"], tag("word")] | Annotated[Count, tag("number")],
    by_kind("a whole number of at least 1", words=("all",), number=int),
]
"""A number of layers, or all of them."""


class _Partition(SpecModel):
    """A partition; a bare text is its name."""

    text_key: ClassVar[str] = "partition"
    concentric: ClassVar[bool] = False
    """Whether each of several objects may have parts of its own."""

    @property
    def declared(self) -> int | Literal["all"]:
        """The number of parts; ``all`` where only the image tells."""
        return "all"


class _Named(_Partition):
    """A partition that its name alone describes."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        name = {"const": cls.model_fields["partition"].default}
        return {"anyOf": [name, handler(core_schema)]}


class LayerCount(_Named):
    """The layers nearest to the object, each with an epsilon of its own."""

    concentric: ClassVar[bool] = True

    partition: Literal["layers"] = "layers"
    """``layers``: pixels of the same distance from the object share an epsilon."""
    count: HowMany = "all"
    """How many, the object itself being the first; pixels beyond do not move."""

    @property
    def declared(self) -> int | Literal["all"]:
        """The number of layers, if the spec gives one."""
        return self.count


class LayerGroups(_Partition):
    """Layers merged into groups, each group with one epsilon."""

    concentric: ClassVar[bool] = True

    partition: Literal["groups"] = "groups"
    """``groups``: pixels of the layers of a group share an epsilon."""
    groups: Annotated[
        tuple[Annotated[tuple[Index, ...], Field(min_length=1)], ...], Field(min_length=1)
    ]
    """Lists of layer numbers, the object being layer 0; layers in no group do not move."""

    @property
    def declared(self) -> int:
        """The number of groups."""
        return len(self.groups)

    @field_validator("groups")
    @classmethod
    def _disjoint(cls, groups: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        layers = [layer for group in groups for layer in group]
        repeated = next((layer for layer in layers if layers.count(layer) > 1), None)
        if repeated is not None:
            raise complaint(f"layer {repeated} is there twice: a layer belongs to one group")
        return groups


class LayerGrid(_Partition):
    """The boxes of a grid over the image, each with one epsilon."""

    partition: Literal["grid"] = "grid"
    """``grid``: the pixels of a box share an epsilon."""
    box: tuple[Count, Count] | None = None
    """Rows and columns of pixels in a box: ``[h, w]``; the last ones may be smaller."""
    split: tuple[Count, Count] | None = None
    """Rows and columns of boxes in the image, instead of ``box``: ``[rows, columns]``."""
    count: HowMany = "all"
    """Only pixels of so many layers around the object move."""

    @field_validator("box", "split", mode="before")
    @classmethod
    def _two_numbers(cls, value: object) -> object:
        if isinstance(value, int):
            raise complaint(f"two whole numbers are needed, such as [{value}, {value}]")
        return value

    @model_validator(mode="after")
    def _one_size(self) -> LayerGrid:
        if (self.box is None) == (self.split is None):
            message = "give either the size of a box, box: [h, w], or split: [rows, columns]"
            raise complaint(message)
        return self


class LayerPixels(_Named):
    """Single pixels, each with an epsilon of its own, as in MaRVeL.

    A. Kabaha and D. Drachsler-Cohen, Maximal Robust Neural Network Specifications via Oracle-Guided
    Numerical Optimization, VMCAI 2023: non-uniform specifications with one epsilon per input.
    """

    partition: Literal["pixels"] = "pixels"
    """``pixels``: no two pixels share an epsilon."""
    count: HowMany = "all"
    """Only pixels of so many layers around the object move."""


class LayerWhole(_Named):
    """The whole image with one epsilon: the classic l-infinity ball."""

    partition: Literal["whole"] = "whole"
    """``whole``: all pixels share an epsilon."""

    @property
    def declared(self) -> int:
        """One part."""
        return 1


Layers = Annotated[
    Annotated[LayerCount, tag("layers")]
    | Annotated[LayerGroups, tag("groups")]
    | Annotated[LayerGrid, tag("grid")]
    | Annotated[LayerPixels, tag("pixels")]
    | Annotated[LayerWhole, tag("whole")],
    by_value(
        "partition",
        "layers",
        "groups",
        "grid",
        "pixels",
        "whole",
        implied={"groups": "groups", "box": "grid", "split": "grid"},
        bare=True,
    ),
]
