"""The base of all spec models: frozen, strict, extras forbidden."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, model_validator

from mlspec.spec.messages import explain
from mlspec.spec.source import Complaint, Mark, Source, spec_error


class SpecModel(BaseModel):
    """A frozen piece of a spec; the docstring beneath each field goes into the JSON Schema."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    text_key: ClassVar[str] = ""
    """If named, a bare text stands for a mapping with this one key."""
    retired: ClassVar[tuple[str, ...]] = ()
    """Dotted keys that earlier versions wrote as JSON; ``from_json`` leaves them out."""

    _source: Source = PrivateAttr(default_factory=Source)

    @property
    def source(self) -> Source:
        """Where the spec was written; known to the whole spec, not to its parts."""
        return self._source

    @classmethod
    def read(
        cls, data: object, source: Source | None = None, complaints: Iterable[Complaint] = ()
    ) -> Self:
        """The model of plain data; every mistake in it is a line of one ``SpecError``.

        ``complaints`` are the mistakes already found in the text that the data came from.
        """
        source = source or Source()
        found = list(complaints)
        try:
            model = cls.model_validate(data)
        except ValidationError as error:
            found += explain(error, cls, source, known=[known.path for known in found])
        if found:
            raise spec_error(found)
        model._source = source
        return model

    @classmethod
    def from_json(cls, text: str, source: Source | None = None) -> Self:
        """The model that ``to_json`` wrote, of this version or an earlier one."""
        source = source or Source("<json>")
        try:
            data = json.loads(text)
        except ValueError as error:
            raise spec_error([Complaint(Mark(source.origin), "(syntax)", str(error))]) from None
        for path in cls.retired:
            *parents, key = path.split(".")
            part = data
            for parent in parents:
                part = part.get(parent) if isinstance(part, dict) else None
            if isinstance(part, dict):
                part.pop(key, None)
        return cls.read(data, source)

    def to_json(self) -> str:
        """All values, defaults too, as canonical JSON on one line: equal models, equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema that editors validate and complete a spec with."""
        dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        return dialect | cls.model_json_schema(mode="validation")

    @model_validator(mode="before")
    @classmethod
    def _plain_data(cls, data: object) -> object:
        if cls.text_key and isinstance(data, str):
            return {cls.text_key: data}
        return _tuples(data)


class Document(SpecModel):
    """A model that a whole file holds."""

    title: ClassVar[str]
    """What to call such a file, as ``a training spec``."""
    command: ClassVar[str]
    """The command that takes it; ``{file}`` stands for the file."""

    @classmethod
    def required_keys(cls) -> set[str]:
        """The keys that every such file has."""
        return {name for name, field in cls.model_fields.items() if field.is_required()}


def _tuples(data: object) -> object:
    """Lists as tuples, at any depth: a frozen model holds none that could change."""
    if isinstance(data, dict):
        return {key: _tuples(value) for key, value in data.items()}
    return tuple(map(_tuples, data)) if isinstance(data, list) else data
