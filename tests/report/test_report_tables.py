"""Tables fit their terminal and hold the numbers of the results."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import xarray as xr
from report_cases import make_problem, make_result, make_trace
from rich.console import Console, RenderableType

from mlspec.core.trace import Tally, Trace
from mlspec.core.verdict import Stage
from mlspec.problem.partition import Centre, partition
from mlspec.report.comparison import setting
from mlspec.report.numbers import below, near
from mlspec.report.table import comparison, summary
from mlspec.results import differences, eps_of
from mlspec.spec.layers import LayerCount, LayerGrid, LayerPixels, Layers

LAYER = re.compile(r"(\d+) +([\d.]+) +([\d.]+) +(\d+) (9 → 8|cap|budget)")
"""A row of the table of layers."""


def printed(what: RenderableType, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(what)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    return text


def wide(ds: xr.Dataset, layers: int = 41) -> xr.Dataset:
    """A result with that many layers, all like those it has."""
    index = np.arange(ds["layer_index"].size).reshape(ds["layer_index"].shape) % layers
    many = ds.isel(layer=np.arange(layers) % ds.sizes["layer"])
    return many.assign_coords(layer=np.arange(layers)).assign(
        layer_index=(("y", "x"), index),
        layer_pixels=("layer", np.bincount(index.ravel())),
        layer_distance=("layer", np.arange(layers)),
    )


@pytest.mark.parametrize("layers", [1, 6, 41])
def test_a_summary_lists_every_layer_on_80_columns(layers: int) -> None:
    ds = wide(make_result(), layers)
    lines = printed(summary(ds)).splitlines()
    rows = [row for line in lines for row in LAYER.findall(line)]
    assert sorted(int(row[0]) for row in rows) == list(range(layers))
    for number, eps, weight, pixels, reason in rows:
        layer = ds.isel(layer=int(number))
        assert eps == below(float(layer["epsilon"]), 3)
        assert weight == near(float(layer["weight"]), 2)
        assert int(pixels) == int(layer["layer_pixels"])
        assert {"9 → 8": "witness"}.get(reason, reason) == str(layer["blocked_by"].values)
    assert "…" not in "".join(lines)


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("case", ["layers", "grid", "pixels", "each", "directed", "stages"])
def test_no_epsilon_is_cut_and_no_word_is_broken(case: str, width: int) -> None:
    ds = result_of_kind(case)
    narrow, plain = printed(summary(ds), width), printed(summary(ds), 200)
    assert "…" not in narrow
    words = {word.strip("(),") for word in plain.split()}
    assert {word.strip("(),") for word in narrow.split()} <= words
    if case != "pixels":
        for eps in eps_of(ds).tolist():
            assert below(eps, 3) in narrow.split()


def result_of_kind(case: str) -> xr.Dataset:
    """A result of each kind of table."""
    base = make_problem()
    centres = [Centre(base.object_mask, "a long name of an object")]
    if case == "stages":
        ds = wide(make_result())
        stages = [stage.value for stage in Stage]
        return ds.assign(query_stage=("query", np.resize(stages, ds.sizes["query"])))
    if case == "layers":
        return wide(make_result())
    if case == "each":
        centres.append(Centre(np.roll(base.object_mask, 6, axis=1), "another object"))
    kinds: dict[str, Layers] = {"grid": LayerGrid(box=(3, 3)), "pixels": LayerPixels()}
    layering = partition(kinds.get(case, LayerCount()), centres, "linf", case == "each")
    problem = replace(base, layering=layering, weights=np.linspace(1.0, 0.5, layering.count))
    if case != "directed":
        return make_result(problem, make_trace(problem))
    directed = layering.directed(np.full_like(base.image, 0.5))
    weights = np.linspace(1.0, 0.5, directed.count)
    problem = replace(problem, image=np.full_like(base.image, 0.5), layering=directed)
    trace = Trace(directed.count)
    trace.best = np.linspace(0.01, 0.0234, directed.count)
    return make_result(replace(problem, weights=weights), trace)


def test_a_summary_says_the_finding_and_the_facts() -> None:
    text = printed(summary(make_result()))
    assert re.match(
        r"Size w·ε = 0\.\d+: label 9 stays predicted while the 3 changes by up to ±", text
    )
    assert "First to break: 9 is lost to 8, when layer" in text
    assert re.search(r"9 → 8: layer 0 cannot exceed 0\.\d+, the classifier then reads 9 as 8", text)
    assert "cap" in text
    assert "budget of seconds spent, after 4.5 s" in text
    assert "solver highs, seed 0" in text
    complete = next(line for line in text.splitlines() if line.startswith("complete"))
    assert complete.split() == ["complete", "8", "-", "-", "4", "4", "1.6", "s"]
    assert "for 4 of them a MILP was solved" in text
    assert "stage of the verifier" not in text


def test_an_upper_bound_says_of_which_neighborhoods_it_speaks() -> None:
    ds = make_result()
    held = ds.assign(floor=ds["floor"] * 0.0 + 0.001)
    text = printed(summary(held))
    assert "(none above the floor is larger" in text
    assert "0.00100  (the search keeps every layer at least there)" in text
    free = printed(summary(ds.assign(floor=ds["floor"] * 0.0)))
    assert "(none is larger" in free
    assert "floor" not in free


def test_a_summary_says_what_each_stage_did_where_the_result_knows() -> None:
    trace = make_trace(make_problem())
    trace.tallies = {Stage.CROWN: Tally(40, 12, 0.8), Stage.MILP: Tally(3, 0, 61.0)}
    ds = make_result(trace=trace)
    lines = [line.split() for line in printed(summary(ds)).splitlines()]
    head = lines.index(["stage", "of", "the", "verifier", "asked", "decided", "time"])
    told = [line[:3] for line in lines[head + 1 :]]
    assert told == [["crown", "40", "12"], ["milp", "3", "-"]]
    older = ds.drop_vars([name for name in ds.variables if str(name).startswith("stage")])
    assert "stage of the verifier" not in printed(summary(older))


def test_all_stages_fit_80_columns() -> None:
    ds = make_result()
    stages = [stage.value for stage in Stage]
    ds = ds.assign(query_stage=("query", np.resize(stages, ds.sizes["query"])))
    head = next(line for line in printed(summary(ds)).splitlines() if "queries, by stage" in line)
    assert head.split()[3:-1] == ["total", *stages]


def test_a_summary_of_a_search_that_has_nothing_yet() -> None:
    text = printed(summary(make_result(trace=Trace(6))))
    assert text.startswith("Nothing certified yet")
    assert "no queries yet" in text
    assert "∞" not in text
    assert "gap" not in text


def test_a_comparison_holds_each_result_in_a_column() -> None:
    text = printed(comparison([make_result(name="one"), make_result(name="two")]))
    rows = {line[:17].strip(): line[17:].split() for line in text.splitlines()}
    assert rows["classifier"] == ["one", "two"]
    assert rows["strategy"] == ["gradient"] * 2
    assert rows["shrink"] == ["fixed"] * 2
    assert rows["complete queries"] == ["8", "8"]
    assert rows["of which MILP"] == ["4", "4"]
    assert rows["attack queries"] == rows["bound queries"] == ["8", "8"]
    assert "Not comparable" not in text


def test_all_blocks_of_a_comparison_have_the_same_rows() -> None:
    plain, other = make_result(), make_result().assign_attrs(objective="max_min")
    other = other.assign(objective=other["size"], objective_bound=other["upper_bound"])
    text = printed(comparison([plain, plain, plain, other]))
    assert text.count("value at most") == text.count("upper bound") == 2


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["x/a.nc", "x/b.nc"], ["a", "b"]),
        (["a/r.nc", "b/r.nc"], ["a/r.nc", "b/r.nc"]),
        ([], ["known", "known"]),
    ],
)
def test_results_of_one_spec_go_by_their_files(files: list[str], names: list[str]) -> None:
    text = printed(comparison([make_result(), make_result()], files))
    assert text.splitlines()[0].split() == names
    assert [line.partition(": size")[0] for line in text.splitlines() if ": size" in line] == names


def test_partitions_are_told_where_they_differ() -> None:
    other = make_result(make_problem(5))
    assert "partition" not in printed(comparison([other, other]))
    (row,) = [
        line
        for line in printed(comparison([make_result(), other])).splitlines()
        if line.startswith("partition")
    ]
    assert row.split() == ["partition", "6", "layers", "5", "layers"]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_comparison_of_many_results_breaks_into_several_tables(width: int) -> None:
    names = [f"result_{number}" for number in range(7)]
    text = printed(comparison([make_result(name=name) for name in names]), width)
    headers = [line.split() for line in text.splitlines() if line.startswith("   ")]
    assert [word for line in headers for word in line if word in names] == names


def test_a_comparison_warns_of_different_questions() -> None:
    problem = make_problem()
    one, two = make_result(problem), make_result(make_problem(5))
    assert differences([one, one]) == []
    assert differences([one, two]) == ["layers", "weights"]
    heavier = one.assign(weight=2 * one["weight"])
    assert differences([one, heavier]) == ["weights"]
    other = make_result(problem, make_trace(problem)).assign_attrs(image_sha256="", targets='["3"]')
    assert differences([one, other]) == ["image", "targets"]
    assert "Not comparable: the results differ in layers, weights." in printed(
        comparison([one, two])
    )


def test_settings_that_a_spec_lacks_are_none() -> None:
    ds = make_result()
    assert setting(ds, "search", "strategy") == "gradient"
    assert setting(ds, "search", "strategy", "deeper") is None
    assert setting(ds.assign_attrs(spec="{}"), "search", "strategy") is None
