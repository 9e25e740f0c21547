"""A partition is its spec, its builder and its traits: nothing else asks which kind it is."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from report_cases import make_problem, make_result, make_trace

import mlspec
from mlspec.core.layering import Layering
from mlspec.core.naming import counted, part_name
from mlspec.core.partitions import PARTITIONS, PartitionKind
from mlspec.errors import DataError
from mlspec.report.figure import draw
from mlspec.report.table import summary
from mlspec.report.words import finding
from mlspec.results import layering_of
from mlspec.spec.layers import Layers

PACKAGE = Path(mlspec.__file__).parent
OWN = {"spec/layers.py", "problem/partition.py", "core/partitions.py"}
"""The files that a new partition touches."""


def models() -> dict[str, type]:
    """The models of a spec's partitions, by name."""
    branches = [get_args(branch)[0] for branch in get_args(get_args(Layers)[0])]
    return {branch.model_fields["partition"].default: branch for branch in branches}


def test_every_partition_of_a_spec_has_traits_and_the_other_way_round() -> None:
    assert models().keys() == PARTITIONS.keys()
    for name, model in models().items():
        assert model.concentric == PARTITIONS[name].concentric
        assert PARTITIONS[name].name == name


def test_nobody_else_asks_for_the_name_of_a_kind() -> None:
    names = set(PARTITIONS)
    for file in PACKAGE.rglob("*.py"):
        if str(file.relative_to(PACKAGE)) in OWN:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                asked = any(isinstance(s, ast.Attribute) and s.attr in KINDS for s in sides)
                words = {w.value for s in sides for w in ast.walk(s) if isinstance(w, ast.Constant)}
                assert not (asked and words & names), f"{file}:{node.lineno}"


KINDS = {"kind", "partition"}


def test_a_new_kind_is_named_printed_and_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = PartitionKind("columns", "column", "columns", "from left to right")
    monkeypatch.setattr("mlspec.results.reading.PARTITIONS", {**PARTITIONS, "columns": columns})
    problem = make_problem()
    index = np.broadcast_to(np.arange(12) // 3, (12, 12)).astype(np.int64)
    layering = Layering(index, 4, columns)
    problem = replace(problem, layering=layering, weights=np.ones(4))
    ds = make_result(problem, make_trace(problem))
    assert layering_of(ds).kind is columns
    assert counted(layering) == "4 columns"
    assert part_name(layering, 2) == "column 2"
    assert "column" in finding(ds)
    assert summary(ds)
    words = [axes.get_xlabel() for axes in draw(ds).findobj() if hasattr(axes, "get_xlabel")]
    assert "column (from left to right)" in words


def test_a_kind_that_nobody_knows_is_said() -> None:
    ds = make_result().assign_attrs(partition="spirals")
    with pytest.raises(DataError, match="'partition' is 'spirals'; known: layers, groups"):
        layering_of(ds)
