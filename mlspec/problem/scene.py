"""The image of a spec, its perturbed object, and the labels of what it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mlspec.core.network import Array
from mlspec.data import Sample, open_dataset
from mlspec.data.images import read_image, read_mask
from mlspec.errors import DataError, SpecError
from mlspec.spec import ExperimentSpec
from mlspec.spec.image import BoxMask, ComponentMask, DatasetImage, DatasetMask, FileMask

Mask = NDArray[np.bool_]

FOREGROUND = 0.1
"""A pixel brighter than this belongs to a connected component."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What a spec looks at."""

    image: Array
    """``(C, H, W)``, in [0, 1]."""
    mask: Mask
    """``(H, W)``: the perturbed object."""
    labels: tuple[str, ...]
    """Labels of all objects, where the dataset knows them."""
    object_label: str
    """Label of the perturbed object; empty where nobody names it."""


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
    mask, label = _object(spec, sample)
    if mask.shape != image.shape[1:]:
        raise source.error("object", f"the mask is {mask.shape}, the image {image.shape[1:]}")
    if not mask.any():
        raise source.error("object", "the mask is empty: no pixel belongs to the object")
    return Scene(image, mask, sample.labels, label)


def _object(spec: ExperimentSpec, sample: Sample) -> tuple[Mask, str]:
    source, image = spec.source, sample.image
    match spec.object:
        case DatasetMask() as chosen:
            return _of_dataset(spec, sample, chosen)
        case FileMask(file=file):
            try:
                mask = read_mask(source.resolve_path("object.file", file))
            except DataError as error:
                raise source.error("object.file", str(error)) from error
        case BoxMask(box=(y0, x0, y1, x1)):
            if y1 > image.shape[1] or x1 > image.shape[2]:
                size = f"{image.shape[1]} rows and {image.shape[2]} columns"
                raise source.error("object.box", f"the box leaves the image, which has {size}")
            mask = np.zeros(image.shape[1:], dtype=bool)
            mask[y0:y1, x0:x1] = True
        case ComponentMask(component_at=(y, x)):
            bright = image.max(axis=0) > FOREGROUND
            if y >= bright.shape[0] or x >= bright.shape[1] or not bright[y, x]:
                raise source.error("object.component_at", f"there is no bright pixel at [{y}, {x}]")
            numbers, _ = ndimage.label(bright, structure=np.ones((3, 3)))
            mask = numbers == numbers[y, x]
    return mask, _label_under(mask, sample)


def _of_dataset(spec: ExperimentSpec, sample: Sample, chosen: DatasetMask) -> tuple[Mask, str]:
    source = spec.source
    if not sample.objects:
        raise source.error(
            "object.mask", "an image file has no dataset's mask: give file, box or component_at"
        )
    position = chosen.index or 0
    if chosen.label is not None:
        if chosen.label not in sample.labels:
            shown = ", ".join(sample.labels)
            raise source.error("object.label", f"the image shows {shown}, not '{chosen.label}'")
        position = sample.labels.index(chosen.label)
    if position >= len(sample.objects):
        raise source.error("object.index", f"the image has {len(sample.objects)} objects")
    try:
        return sample.objects[position].mask, sample.objects[position].label
    except DataError as error:
        raise source.error("object.mask", str(error)) from error


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
