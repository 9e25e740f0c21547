"""What a result stands and falls with, as SHA-256: the classifier's file, the image, and all that
its file holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mlspec.core.network import Array

CONTENTS: Final = "contents_sha256"
"""The attribute of a file that says what mlspec wrote into it."""


def digests(classifier_onnx: NDArray[np.uint8], image: Array) -> dict[str, str]:
    """Return the attributes ``classifier_sha256`` and ``image_sha256``.

    ``classifier_onnx`` holds the bytes of the ONNX file; ``image`` ``(C, H, W)`` counts as
    little-endian float64 in C order.
    """
    return {
        "classifier_sha256": hashlib.sha256(classifier_onnx.tobytes()).hexdigest(),
        "image_sha256": hashlib.sha256(np.asarray(image, dtype="<f8").tobytes()).hexdigest(),
    }


def contents_digest(ds: xr.Dataset) -> str:
    """Return the digest of all variables, coordinates and attributes of ``ds`` but ``CONTENTS``.

    It is the same before a file is written and after it is read. It tells damage and edits, not
    forgery: whoever changes a file can compute it anew.
    """
    found = hashlib.sha256()
    for name in sorted(map(str, ds.variables)):
        variable = ds[name]
        found.update(_line(name, variable.dims, variable.shape))
        found.update(_content(variable.values))
    attributes: Mapping[Any, Any] = ds.attrs
    for name in sorted(map(str, attributes)):
        if name != CONTENTS:
            value = attributes[name]
            found.update(_line(name, value.tolist() if hasattr(value, "tolist") else value))
    return found.hexdigest()


def _line(*parts: object) -> bytes:
    return (json.dumps(parts, default=str) + "\n").encode()


def _content(values: NDArray[Any]) -> bytes:
    """Return the values as bytes, whatever the machine: words as JSON, numbers little-endian."""
    if values.dtype.kind not in "biuf":
        return _line([str(each) for each in values.ravel()])
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values)  # a NaN has many forms
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return _line(little.dtype.str) + little.tobytes()
