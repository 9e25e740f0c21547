"""Which models may stand at a place in a spec, by the annotations of their fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Tag

from mlspec.spec.unions import is_tag


def keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys that are valid at a location."""
    return [key for found in models_at(model, location) for key in found.model_fields]


def models_at(model: type[BaseModel], location: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that may stand at a location: keys, indexes, and tags of branches of unions."""
    annotations: list[Any] = [model]
    for part in location:
        annotations = [step for one in annotations for step in _step(one, part)]
    return [found for one in annotations for found in _models_in(one)]


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    if is_tag(part):
        yield from _tagged(annotation, str(part))
    elif isinstance(part, int):
        yield from get_args(annotation)
    else:
        for model in _models_in(annotation):
            if part in model.model_fields:
                yield model.model_fields[part].annotation


def _tagged(annotation: Any, tag: str) -> Iterator[Any]:
    inner, *metadata = get_args(annotation) or (None,)
    if get_origin(annotation) is Annotated and any(
        isinstance(item, Tag) and item.tag == tag for item in metadata
    ):
        yield inner
    for argument in get_args(annotation):
        yield from _tagged(argument, tag)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
