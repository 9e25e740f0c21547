"""The image of a spec, its perturbed objects, and what else it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from scipy import ndimage

from mlspec.core.network import Array
from mlspec.data import Sample, open_dataset
from mlspec.data.images import read_image, read_mask
from mlspec.errors import DataError, SpecError
from mlspec.problem.partition import Centre, Mask, names_of
from mlspec.spec import ExperimentSpec
from mlspec.spec.image import BoxMask, ComponentMask, DatasetImage, DatasetMask, FileMask
from mlspec.spec.image import Mask as ObjectMask


@dataclass(frozen=True, eq=False)
class Scene:
    """What a spec looks at."""

    image: Array
    """``(C, H, W)``, in [0, 1]."""
    perturbed: tuple[Centre, ...]
    """The perturbed objects, at least one."""
    sample: Sample
    """The image with all its objects, where the dataset knows them."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of all objects, where the dataset knows them."""
        return self.sample.labels


def scene_of(spec: ExperimentSpec) -> Scene:
    """Read image and mask; raises SpecError at the place in the spec that is wrong."""
    source = spec.source
    if isinstance(spec.image, DatasetImage):
        place = None
        if spec.image.path is not None:
            try:
                place = source.resolve_path("image.path", spec.image.path)
            except SpecError:
                # Refused below, with word of what must lie there and where it comes from.
                place = source.folder / spec.image.path
        try:
            dataset = open_dataset(spec.image.dataset, spec.image.split, place)
            sample = dataset.sample(spec.image.index)
        except DataError as error:
            raise source.error("image.path" if place else "image", str(error)) from error
        image = np.asarray(sample.image, dtype=np.float64)
    else:
        file = source.resolve_path("image.file", spec.image.file)
        try:
            image = read_image(file)
        except DataError as error:
            raise source.error("image.file", str(error)) from error
        sample = Sample(image, ())
    several = isinstance(spec.object, tuple)
    perturbed = tuple(
        _object(spec, sample, chosen, f"object[{number}]" if several else "object")
        for number, chosen in enumerate(spec.objects)
    )
    return Scene(image, perturbed, sample)


def centres_of(spec: ExperimentSpec, scene: Scene, targets: Sequence[str]) -> tuple[Centre, ...]:
    """Return what the layers of ``spec`` surround; raises SpecError where its mask is not known.

    ``targets`` are the names of the target labels.
    """
    if spec.around == "each":
        _require_own_pixels(spec, scene.perturbed)
    if spec.around in ("object", "each"):
        return scene.perturbed
    objects = scene.sample.objects
    if not objects:
        raise spec.source.error(
            "around",
            f"only a dataset knows the mask of '{spec.around}', not an image file: give around: "
            "object, and what the layers surround as object (one mask, or a list)",
        )
    if spec.around == "target":
        absent = [name for name in targets if name not in scene.labels]
        if absent:
            shown = ", ".join(scene.labels)
            raise spec.source.error("around", f"the image shows {shown}, no '{absent[0]}'")
        objects = tuple(item for item in objects if item.label in targets)
    try:
        return tuple(Centre(item.mask, item.label) for item in objects)
    except DataError as error:
        raise spec.source.error("around", str(error)) from error


def _require_own_pixels(spec: ExperimentSpec, centres: Sequence[Centre]) -> None:
    for number in range(1, len(centres)):
        if not (centres[number].mask & ~union_of(centres[:number])).any():
            raise spec.source.error(
                f"object[{number}]",
                "all its pixels belong to objects before it, so it can have no layers of its own: "
                "leave it out, or give around: object",
            )


def union_of(centres: Sequence[Centre]) -> Mask:
    """Return the pixels ``(H, W)`` of all ``centres``."""
    return np.asarray(np.logical_or.reduce([centre.mask for centre in centres]))


def label_of(centres: Sequence[Centre]) -> str:
    """Return the labels of ``centres``, with commas between; of several, one without is called by
    its number. Empty for a single one without."""
    return centres[0].label if len(centres) == 1 else ", ".join(names_of(centres))


def _object(spec: ExperimentSpec, sample: Sample, chosen: ObjectMask, place: str) -> Centre:
    source, image = spec.source, sample.image
    mask, label = _mask(spec, sample, chosen, place)
    if mask.shape != image.shape[1:]:
        raise source.error(place, f"the mask is {mask.shape}, the image {image.shape[1:]}")
    if not mask.any():
        raise source.error(place, "the mask is empty: no pixel belongs to the object")
    return Centre(mask, label)


def _mask(spec: ExperimentSpec, sample: Sample, chosen: ObjectMask, place: str) -> tuple[Mask, str]:
    source, image = spec.source, sample.image
    match chosen:
        case DatasetMask():
            return _of_dataset(spec, sample, chosen, place)
        case FileMask(file=file):
            try:
                mask = read_mask(source.resolve_path(f"{place}.file", file))
            except DataError as error:
                raise source.error(f"{place}.file", str(error)) from error
        case BoxMask(box=(y0, x0, y1, x1)):
            if y1 > image.shape[1] or x1 > image.shape[2]:
                raise source.error(
                    f"{place}.box",
                    f"[{y0}, {x0}, {y1}, {x1}] leaves the image, which has {_size(image)}: "
                    "y1 and x1 are at most that",
                )
            mask = np.zeros(image.shape[1:], dtype=bool)
            mask[y0:y1, x0:x1] = True
        case ComponentMask(component_at=(y, x), brighter_than=least):
            bright = image.max(axis=0) > least
            if y >= bright.shape[0] or x >= bright.shape[1]:
                raise source.error(
                    f"{place}.component_at",
                    f"[{y}, {x}] lies outside of the image, which has {_size(image)}",
                )
            if not bright[y, x]:
                raise source.error(
                    f"{place}.component_at",
                    f"there is no bright pixel at [{y}, {x}]: give one above {least:g}",
                )
            numbers, _ = ndimage.label(bright, structure=np.ones((3, 3)))
            mask = numbers == numbers[y, x]
        case _:
            assert_never(chosen)
    return mask, _label_under(mask, sample)


def _size(image: Array) -> str:
    return f"{image.shape[1]} rows and {image.shape[2]} columns"


def _of_dataset(
    spec: ExperimentSpec, sample: Sample, chosen: DatasetMask, place: str
) -> tuple[Mask, str]:
    source = spec.source
    if not sample.objects:
        raise source.error(
            f"{place}.mask", "an image file has no dataset's mask: give file, box or component_at"
        )
    position = chosen.index or 0
    if chosen.label is not None:
        if chosen.label not in sample.labels:
            shown = ", ".join(sample.labels)
            raise source.error(f"{place}.label", f"the image shows {shown}, not '{chosen.label}'")
        position = sample.labels.index(chosen.label)
    if position >= len(sample.objects):
        last = len(sample.objects) - 1
        raise source.error(
            f"{place}.index", f"there is no object {position}: they count from 0 to {last}"
        )
    try:
        return sample.objects[position].mask, sample.objects[position].label
    except DataError as error:
        raise source.error(f"{place}.mask", str(error)) from error


def _label_under(mask: Mask, sample: Sample) -> str:
    """Return the label of the one object that ``mask`` touches; empty if that is not clear."""
    touched = [
        item.label
        for item in sample.objects
        if item.region is not None
        and item.region.shape == mask.shape
        and (item.region & mask).any()
    ]
    return touched[0] if len(touched) == 1 else ""
