"""Files from strangers: valid ones, mutated byte by byte and claim by claim, and what reads them.

``read(kind, path)`` is what every command does with such a file. It returns, or raises MlspecError
with a message to be shown; everything else is a defect.
"""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xarray as xr
from mutations import (
    WORDS,
    Way,
    alias_bomb,
    array_file,
    bytes_changed,
    cut,
    deep,
    graph_changed,
    header_changed,
    lines_changed,
    png_size_changed,
    redigested,
    special_values,
    spliced,
    variable_changed,
    words_changed,
)
from onnx_files import model_of_network
from PIL import Image
from random_networks import random_network
from random_ops import SMALL
from results_cases import random_case
from strategies import image_shape, random_image

from mlspec.data.images import read_image, read_mask
from mlspec.problem.onnx_import import read_network
from mlspec.results import open_result, save
from mlspec.resume import problem_of
from mlspec.spec import load_spec

KINDS = ("spec", "classifier", "image", "array", "mask", "result")
ENDINGS: Mapping[str, str] = {
    "spec": ".yaml",
    "classifier": ".onnx",
    "image": ".png",
    "array": ".npy",
    "mask": ".npy",
    "result": ".nc",
}


def read(kind: str, path: Path) -> None:
    """Read a file as mlspec does; raises MlspecError where it refuses it."""
    match kind:
        case "spec":
            load_spec(path)
        case "classifier":
            read_network(path)
        case "image" | "array":
            read_image(path)
        case "mask":
            read_mask(path)
        case "result":
            problem_of(open_result(path))
        case _:
            raise ValueError(kind)


@cache
def valid(kind: str) -> tuple[bytes, ...]:
    """Return files of a kind that can be read."""
    rng = np.random.default_rng(1)
    match kind:
        case "spec":
            folder = Path("specs")
            return tuple(path.read_bytes() for path in sorted(folder.glob("*.yaml")))
        case "classifier":
            return tuple(_classifier(np.random.default_rng(seed)) for seed in range(6))
        case "image":
            grey, colour = rng.integers(0, 255, (9, 7), dtype=np.uint8), rng.random((5, 6, 3))
            pictures = [Image.fromarray(grey), Image.fromarray((255 * colour).astype(np.uint8))]
            pictures.append(pictures[0].convert("P"))
            forms = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
            return tuple(_picture(each, form) for form in forms for each in pictures[:2])
        case "array":
            return (
                array_file(rng.random((1, 6, 5))),
                array_file(rng.random((3, 4, 4)).astype("f4")),
            )
        case "mask":
            return (array_file(rng.random((6, 5)) < 0.5), array_file(rng.integers(0, 3, (4, 4))))
        case "result":
            return tuple(_result(seed) for seed in (5, 6))
        case _:
            raise ValueError(kind)


def _classifier(rng: np.random.Generator) -> bytes:
    network = random_network(rng, SMALL, random_image(rng, image_shape(rng, SMALL)))
    return model_of_network(network).SerializeToString()


def _picture(picture: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


def _result(seed: int) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r.nc"
        save(_case(seed), path)
        return path.read_bytes()


@cache
def _case(seed: int) -> xr.Dataset:
    case = random_case(np.random.default_rng(seed))
    network = model_of_network(case.problem.network).SerializeToString()
    ds = case.ds.drop_vars("classifier_onnx")
    ds["classifier_onnx"] = ("byte", np.frombuffer(network, dtype=np.uint8))
    from mlspec.results.digests import digests

    return ds.assign_attrs(digests(ds["classifier_onnx"].values, ds["image"].values))


def mutated(kind: str, seed: int) -> bytes:
    """Return a file of ``kind`` that is broken in a way that ``seed`` chooses."""
    rng = random.Random(seed)
    content = rng.choice(valid(kind))
    ways = [bytes_changed, bytes_changed, cut, spliced, *_CLEVER.get(kind, ())]
    for _ in range(rng.choice((1, 1, 2, 3))):
        try:
            content = rng.choice(ways)(content, rng)
        except TimeoutError:  # nothing can open it
            return content
        except Exception:  # too broken already for a clever change
            continue
    return content


WORDS += ("'", '"', "? x", "- - -", "<<: *a", "%YAML 9", "!!binary AAAA", "2001-01-01", "0x", "\t")

WORDS += (
    "!!python/object/apply:os.system [touch hacked]",
    "[[[[[[[[[[[[",
    "{{{{{{{{{{{{",
    "99" * 99,
)

WORDS += (
    "../../../etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "\u202e",
    "\x85",
    "1:30",
    "0o17",
    "-.inf",
)

_CLEVER: Mapping[str, tuple[Way, ...]] = {
    "spec": (words_changed, words_changed, words_changed, lines_changed, alias_bomb, deep),
    "classifier": (graph_changed, graph_changed, graph_changed, graph_changed),
    "image": (png_size_changed,),
    "array": (header_changed, special_values),
    "mask": (header_changed, special_values),
    "result": (variable_changed, redigested),
}
