"""Reports of other partitions than layers: names, summaries, directions."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from report_cases import make_problem, make_result, make_trace
from rich.console import Console

from mlspec.core.layering import Layering
from mlspec.core.naming import counted, part_name
from mlspec.core.problem import Problem
from mlspec.problem.partition import Centre, partition
from mlspec.report.figure import draw
from mlspec.report.table import summary
from mlspec.report.words import finding, witness_extent
from mlspec.results import blocked_radii, blocking_witness
from mlspec.spec.layers import (
    LayerCount,
    LayerGrid,
    LayerGroups,
    LayerPixels,
    Layers,
    LayerWhole,
)


def problem_with(layers: Layers, *, each: bool = False, asymmetric: bool = False) -> Problem:
    base = make_problem()
    centres = [Centre(base.object_mask, "3")]
    if each:
        centres.append(Centre(np.roll(base.object_mask, 6, axis=1), "9"))
    layering = partition(layers, centres, "linf", each)
    if asymmetric:
        layering = layering.directed(base.image)
    return replace(base, layering=layering, weights=np.linspace(1.0, 0.5, layering.count))


def result_of(problem: Problem) -> xr.Dataset:
    return make_result(problem, make_trace(problem))


def printed(ds: xr.Dataset) -> str:
    console = Console(file=StringIO(), width=80)
    console.print(summary(ds))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_boxes_have_names() -> None:
    problem_of_boxes = problem_with(LayerGrid(box=(6, 6)))
    ds = result_of(problem_of_boxes)
    assert ds["layer_name"].values[0] == "rows 0-5, columns 0-5"
    assert part_name(problem_of_boxes.layering, 1) == "box at rows 6-11, columns 0-5"
    assert "rows 6-11, columns 6-11" in printed(ds)
    assert "over 4 boxes" in printed(ds)
    words = [str(item.get_text()) for item in draw(ds).findobj(Text)]
    assert any("4 boxes" in word for word in words)


def test_many_pixels_are_summed_up_by_distance() -> None:
    ds = result_of(problem_with(LayerPixels()))
    text = printed(ds)
    assert len(text.splitlines()) < 40
    rows = [line.split() for line in text.splitlines() if line.strip()[:1].isdigit()]
    sizes = {row[0]: int(row[1]) for row in rows if len(row) == 8}
    assert sizes["0"] == 16
    assert sum(sizes.values()) == 144
    assert "144 pixels" in text
    assert [axes for axes in draw(ds).findobj(mpl.axes.Axes) if axes.axison]


def test_the_whole_image_is_one_part() -> None:
    problem = problem_with(LayerWhole())
    ds = result_of(problem)
    assert finding(ds).startswith("label 9 stays predicted while the whole image changes by up to")
    assert draw(ds)


def test_layers_of_each_object_are_named_after_it() -> None:
    ds = result_of(problem_with(LayerCount(count=2), each=True))
    assert ds["layer_name"].values.tolist()[-1] == "9: layer 1"
    assert "3: layer 0" in printed(ds)
    figure = draw(ds)
    words = [str(item.get_text()) for item in figure.findobj(Text)]
    assert {"around 3", "around 9", "layer (of one object after the other)"} <= set(words)
    assert ticks_of(figure, "each layer") == ["0", "1", "0", "1"]


def ticks_of(figure: Figure, heading: str) -> list[str]:
    """The numbers at the x axis of the panel with this in its title."""
    (axes,) = [
        axes
        for axes in figure.findobj(mpl.axes.Axes)
        if heading in axes.get_title(loc="left") and axes.get_ylabel()
    ]
    return [label.get_text() for label in axes.get_xticklabels()]


def test_the_whole_image_has_an_epsilon_for_each_direction() -> None:
    problem = problem_with(LayerWhole(), asymmetric=True)
    base = make_trace(problem_with(LayerWhole()))
    base.cuts.clear()
    base.blocked.clear()
    base.best = np.array([0.02, 0.01])
    base.floor = np.zeros(2)
    base.layers = 2
    base.steps.clear()
    ds = make_result(problem, base)
    assert counted(problem.layering) == "2 epsilons, down and up, for the whole image"
    figure = draw(ds)
    assert ticks_of(figure, "the image") == ["down", "up"]
    words = [str(item.get_text()) for item in figure.findobj(Text)]
    for letter in "abcdef":
        assert sum(rf"\bf{{{letter}}}" in word for word in words) == 1
    assert any("All pixels move alike" in word for word in words)


def test_groups_are_numbered_as_listed_and_coloured_by_distance() -> None:
    ds = result_of(problem_with(LayerGroups(groups=((2, 1), (0,)))))
    assert ds["layer_distance"].values.tolist() == [1, 0]
    words = [str(item.get_text()) for item in draw(ds).findobj(Text)]
    assert {"distance from the object", "group (as listed in the spec)"} <= set(words)
    ds["epsilon"].values[:] = [0.1, 0.2]
    assert finding(ds).endswith("; weakest: group 0 (±0.10)")


def test_long_names_cover_nothing() -> None:
    names = tuple(f"an object of a long name {number}" for number in range(3))
    ds = (
        make_result()
        .assign_coords(label=np.array(names))
        .assign_attrs(
            object_label="rather a long name, and another one", targets=json.dumps(list(names))
        )
    )
    figure = draw(ds)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    captions = [
        item.get_window_extent(canvas.get_renderer())
        for item in figure.findobj(Text)
        if item.get_text().startswith(("perturbed:", "targets:"))
    ]
    assert len(captions) == 2
    assert not captions[0].overlaps(captions[1])
    (image,) = [a for a in figure.findobj(mpl.axes.Axes) if "Image" in a.get_title(loc="left")]
    right = [a for a in figure.findobj(mpl.axes.Axes) if "layers around" in a.get_title(loc="left")]
    assert max(box.x1 for box in captions) < right[0].get_window_extent().x0
    assert image.get_window_extent().width > 100


def test_directions_are_told_apart() -> None:
    problem = problem_with(LayerCount(count=3), asymmetric=True)
    trace = make_trace(replace(problem, layering=Layering(problem.layering.index, 4)))
    trace.cuts.clear()
    trace.blocked.clear()
    trace.best = np.array([0.01, 0.03, 0.02, 0.02])
    ds = make_result(problem, trace)
    assert ds["epsilon"].values.tolist() == [0.01, 0.02, 0.02]
    assert ds["epsilon_directed"].values.tolist() == [[0.01, 0.03], [1.0, 0.02], [1.0, 0.02]]
    assert "while the 3 changes by −0.010 to +0.030" in finding(ds)
    assert "0 down" in printed(ds)
    assert "1 down" not in printed(ds)
    words = [str(item.get_text()) for item in draw(ds).findobj(Text)]
    assert any("epsilon downwards" in word for word in words)
    assert any("epsilon upwards" in word for word in words)


def test_witnesses_of_many_parts_are_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with_all = make_result()
    monkeypatch.setattr("mlspec.results.schema.Layout.most_witness_values", 0)
    ds = make_result()
    assert "blocking_witness" not in ds
    assert blocked_radii(ds) == blocked_radii(with_all) == [0, 3]
    for layer in (0, 3):
        np.testing.assert_array_equal(ds.mlspec.witness(layer), with_all.mlspec.witness(layer))
        assert witness_extent(ds, layer) == witness_extent(with_all, layer)
    assert blocking_witness(ds, 1) is None
