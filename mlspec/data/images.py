"""Images and masks from the user's own files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mlspec.data.sample import BoolArray, FloatArray
from mlspec.errors import DataError, InputError
from mlspec.files import written_whole


class ImageSize(IntEnum):
    """Limits of an image file."""

    MOST = 2**24
    """Pixels: 400 MiB as RGB in float64, more than any camera's image that is verified."""


_WRITTEN = (".npy", ".png")


def read_image(path: Path) -> FloatArray:
    """Read an image: PNG or another format of Pillow, grey or RGB, or a NumPy array (``.npy``).

    An array has shape ``(H, W)`` or ``(C, H, W)``; floating-point values
    are taken as they are and must lie in [0, 1], unsigned integers are divided by their type's
    largest value. Returns float64 ``(C, H, W)`` in [0, 1]; raises DataError if the file is missing,
    unreadable, or of another shape, type or range.
    """
    values = _array(path) if path.suffix == ".npy" else _picture(path)
    if values.ndim == 2:
        values = values[None]
    if values.ndim != 3 or values.size == 0:
        raise DataError(f"{path}: shape {values.shape}, expected (H, W) or (C, H, W)")
    if not np.isfinite(values).all():
        raise DataError(f"{path}: holds NaN or infinite values, expected [0, 1]")
    if values.min() < 0.0 or values.max() > 1.0:
        raise DataError(
            f"{path}: values from {values.min():g} to {values.max():g}, expected [0, 1]; "
            "scale the array before saving it"
        )
    return values


def read_mask(path: Path) -> BoolArray:
    """Read a mask ``(H, W)``: every pixel that is not black (not zero, not False) belongs to it.

    ``path`` is an image, of which any channel counts, or a ``.npy`` array of shape ``(H, W)`` or
    ``(1, H, W)``. Raises DataError if the file is missing, unreadable, or of another shape, and if
    the mask is empty.
    """
    if path.suffix == ".npy":
        values = _load(path)
        if values.ndim == 3 and values.shape[0] == 1:
            values = values[0]
        if values.ndim != 2:
            raise DataError(f"{path}: shape {values.shape}, expected (H, W)")
        if not np.issubdtype(values.dtype, np.number) and values.dtype != np.bool_:
            raise DataError(f"{path}: type {values.dtype}, expected booleans or numbers")
        if np.isnan(values).any():
            raise DataError(f"{path}: holds NaN, expected zeros and other numbers")
        mask: BoolArray = np.asarray(values != 0, dtype=np.bool_)
    else:
        mask = np.asarray(read_image(path).any(axis=0), dtype=np.bool_)
    if not mask.any():
        raise DataError(f"{path}: the mask is empty; mark the object's pixels with non-zero values")
    return mask


def require_image_name(path: Path) -> None:
    """Raise InputError if the name of a file has no ending that ``write_image`` knows."""
    if path.suffix.lower() not in _WRITTEN:
        raise InputError(f"{path}: an image is written as {' or '.join(_WRITTEN)}: name it so")


def write_image(path: Path, image: FloatArray) -> FloatArray:
    """Write an image ``(C, H, W)`` in [0, 1] and return it as the file holds it.

    ``.npy`` holds the values exactly. ``.png`` rounds them: one channel to 16 bits, three to 8 bits
    each. Raises InputError if the file cannot be written, or not with this ending or number of
    channels.
    """
    require_image_name(path)
    try:
        with written_whole(path) as temporary:
            if path.suffix.lower() == ".npy":
                np.save(temporary, image)
                return image
            if image.shape[0] not in (1, 3):
                raise InputError(
                    f"{path}: a PNG holds one or three channels, the image has {image.shape[0]}: "
                    "write a .npy file"
                )
            scale = 65535.0 if image.shape[0] == 1 else 255.0
            rounded = np.round(image * scale)
            if image.shape[0] == 1:
                Image.fromarray(rounded[0].astype(np.uint16)).save(temporary)
            else:
                Image.fromarray(np.moveaxis(rounded, 0, -1).astype(np.uint8)).save(temporary)
            return np.asarray(rounded / scale)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _picture(path: Path) -> FloatArray:
    """Return the pixels of an image file, float64 ``(H, W)`` or ``(C, H, W)``."""
    try:
        with _read_as(path, "an image"), Image.open(path) as opened:
            _require_size(path, opened.size)
            picture = opened.convert("RGB") if opened.mode == "P" else opened.copy()
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image in a known format (PNG, JPEG, ...)") from error
    white = _white(picture.mode)
    if white is None:
        raise DataError(
            f"{path}: pixel mode {picture.mode}, expected grey or RGB; "
            "save it without transparency as 8- or 16-bit grey or as RGB"
        )
    pixels = np.asarray(picture, dtype=np.float64) / white
    return np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels


def _require_size(path: Path, size: tuple[int, int]) -> None:
    """Raise DataError for an image that is too large to be verified, before it is decoded."""
    if size[0] * size[1] > ImageSize.MOST:
        said = f"{size[0]} x {size[1]} pixels, at most {ImageSize.MOST:,} are read: make it smaller"
        raise DataError(f"{path}: {said}")


def _white(mode: str) -> float | None:
    """Return the value of white in an image of Pillow's ``mode``; None unless the mode holds plain
    intensities."""
    match mode:
        case "1":
            return 1.0
        case "L" | "RGB":
            return 255.0
        case "I;16":
            return 65535.0
        case _:
            return None


def _array(path: Path) -> FloatArray:
    """Return the values of a ``.npy`` file, scaled by the range of its type, float64."""
    values = _load(path)
    if values.dtype == np.bool_ or np.issubdtype(values.dtype, np.floating):
        return np.asarray(values, dtype=np.float64)
    if np.issubdtype(values.dtype, np.unsignedinteger):
        return np.asarray(values, dtype=np.float64) / float(np.iinfo(values.dtype).max)
    raise DataError(f"{path}: type {values.dtype}, expected floats in [0, 1] or unsigned integers")


def _load(path: Path) -> NDArray[Any]:
    """Return the array of a ``.npy`` file; raises DataError where there is none."""
    with _read_as(path, "a NumPy array"):
        content = path.read_bytes()
        if content.startswith(b"PK"):  # a zip file, as numpy.savez writes
            raise DataError(f"{path}: an archive of several arrays; save one with numpy.save")
        return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))


@contextmanager
def _read_as(path: Path, what: str) -> Iterator[None]:
    """Let the block read ``path``; whatever goes wrong is a DataError that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: a folder; name the file in it") from error
    except (DataError, UnidentifiedImageError):
        raise
    except Exception as error:  # Damaged files make Pillow and NumPy raise errors of many kinds.
        raise DataError(f"{path}: cannot be read as {what}: {error}") from error
