"""Reader of the published DOUBLE-MNIST and TRIPLE-MNIST folders: ``CLASS/INDEX_CLASS.png``.

``59/0_59.png`` shows 5 and 9, from left to right. The published archive has the folders ``train``,
``val`` and ``test`` around the classes; they are used when they are there. The format carries no
masks: see `MultiMnistFolder.sample`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import ndimage

from mlspec.data.images import read_image
from mlspec.data.sample import DIGIT_LABELS, BoolArray, Sample, SceneObject, read_only
from mlspec.errors import DataError


@dataclass(frozen=True, eq=False)
class MultiMnistFolder:
    """The images of one split, ordered by class and then by index."""

    name: str
    split: str
    directory: Path
    files: tuple[Path, ...] = field(repr=False)
    piece: float = 0.1
    """A connected component of at most this share of the largest one's pixels is a piece of a
    digit, not a digit."""

    @classmethod
    def open(cls, name: str, split: str, path: Path) -> MultiMnistFolder:
        """List the images under ``path/split`` if there is one, else under ``path``.

        Raises DataError if there is no image of the format.
        """
        directory = path / split if (path / split).is_dir() else path
        numbered = []
        for file in directory.glob("*/*.png"):
            match = re.fullmatch(r"(\d+)_(\d+)\.png", file.name)
            if match and match[2] == file.parent.name:
                numbered.append((match[2], int(match[1]), file))
        if not numbered:
            raise DataError(
                f"{directory}: no image CLASS/INDEX_CLASS.png (such as 59/0_59.png) here; get "
                "DOUBLE-MNIST from https://github.com/shaohua0116/MultiDigitMNIST"
            )
        return cls(name, split, directory, tuple(file for _, _, file in sorted(numbered)))

    @property
    def labels(self) -> tuple[str, ...]:
        """The ten digits."""
        return DIGIT_LABELS

    def __len__(self) -> int:
        return len(self.files)

    def sample(self, index: int) -> Sample:
        """Return image ``index``, labelled by its class name.

        The objects' masks are the connected components of the non-black pixels (diagonal
        neighbours count), from left to right. They are known only when there are exactly as many
        components as digits. Raises DataError if there is no such image, if it is unreadable, or
        if a digit occurs twice in it.
        """
        if not 0 <= index < len(self.files):
            raise DataError(
                f"{self.name}: index {index} is out of range: {self.directory} holds "
                f"{len(self.files)} images, numbered from 0"
            )
        file = self.files[index]
        names = file.parent.name
        if len(set(names)) != len(names):
            raise DataError(f"{file}: the digits of {names!r} must differ; choose another image")
        image = read_image(file)
        if image.shape[0] != 1:
            raise DataError(f"{file}: {image.shape[0]} channels, expected a grey image")
        read_only(image)
        components = _components(image[0] > 0.0)
        if len(components) == len(names) and self._whole(components):
            objects = tuple(map(SceneObject, names, components))
        else:
            why = (
                f"{file}: {len(components)} connected components for {len(names)} digits, so which "
                "pixels belong to which is unknown; name a pixel of the object instead: "
                "object: {component_at: [y, x]}"
            )
            objects = tuple(SceneObject(name, None, why) for name in names)
        return Sample(image, objects)

    def _whole(self, components: list[BoolArray]) -> bool:
        """Whether no component is a piece of a digit."""
        sizes = [int(mask.sum()) for mask in components]
        return min(sizes) > self.piece * max(sizes)


def _components(foreground: BoolArray) -> list[BoolArray]:
    """Return the connected components ``(H, W)``, from left to right by their mean column."""
    numbers, count = ndimage.label(foreground, structure=np.ones((3, 3), dtype=np.int64))
    masks = [np.asarray(numbers == number) for number in range(1, count + 1)]
    return sorted(masks, key=lambda mask: float(np.nonzero(mask)[1].mean()))
