"""The figure: its panels, its file, and no trace left in matplotlib's global state."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from report_cases import beyond, make_problem, make_result, make_trace

from mlspec.core.trace import Iteration, Move, Trace
from mlspec.core.verdict import Outcome
from mlspec.errors import DataError
from mlspec.report.figure import draw, plot
from mlspec.report.gallery import chosen
from mlspec.report.pictures import epsilon_range
from mlspec.report.style import FIGURE

BARS = 2
"""Colour bars of panels b and c; that of the gallery is one more."""


def texts(figure: Figure) -> list[str]:
    """All texts of a figure."""
    return [str(item.get_text()) for item in figure.findobj(Text) if item.get_text()]


def without_witnesses() -> xr.Dataset:
    return make_result(trace=Trace(6))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_figure_has_its_panels(channels: int) -> None:
    figure = draw(make_result(make_problem(channels=channels)))
    panels = [axes for axes in figure.findobj(mpl.axes.Axes) if axes.axison]
    assert len(panels) == 5 + BARS + 2 * 2 + 1
    words = texts(figure)
    for letter, title in zip(
        "abcdef",
        ("Image", "6 layers", "Certified", "Size", "Certified", "Just beyond"),
        strict=True,
    ):
        assert any(rf"\bf{{{letter}}}" in word and title in word for word in words)
    for needed in (
        "perturbed: 3 (outlined)",
        "target: 9",
        "pixel intensity, range [0, 1]",
        "time (s)",
        "size w·ε",
        "layer (0 is the object)",
        "tried: robust",
        "a violating image",
        "hatched: does not move",
    ):
        assert needed in words
    assert any(
        word.startswith("Size w·ε = ") and "label 9 stays predicted" in word for word in words
    )
    assert any(word.startswith("First to break: 9 is lost to 8, when layer") for word in words)
    assert any(word.endswith("reads 9 as 8") for word in words)
    assert any(re.fullmatch(r"score of 9: 1 → −0.0\d+\nscore of 8: 0 → 0", word) for word in words)


def test_a_figure_without_witnesses_has_no_gallery() -> None:
    figure = draw(without_witnesses())
    assert len(figure.findobj(mpl.axes.Axes)) == 5 + BARS
    assert any(word.startswith("Nothing certified yet") for word in texts(figure))


def test_a_line_ends_where_a_layer_that_is_not_known_to_be_blocked_is_violated() -> None:
    problem = make_problem()
    trace = make_trace(problem)
    trace.cuts.append(beyond(problem, trace.best, 1))
    ds = make_result(problem, trace)
    figure = draw(ds)
    (axes,) = [a for a in figure.findobj(mpl.axes.Axes) if a.get_ylabel().startswith("ε")]
    ((lines,),) = [bars.lines[2] for bars in axes.containers if isinstance(bars, ErrorbarContainer)]
    (((x, low), (_, high)),) = lines.get_segments()
    attacked = float(ds["epsilon_attacked"][1])
    np.testing.assert_allclose((x, low, high), (1, float(ds["epsilon"][1]), attacked))
    assert "at most: an image violates there" in texts(figure)
    assert "at most: an image violates there" not in texts(draw(make_result()))


@pytest.mark.parametrize("eps", [[0.0, 0.1], [1.0, 1.0], [1e-6, 1.0], [0.25]])
def test_odd_radii_can_be_drawn(eps: list[float], tmp_path: Path) -> None:
    problem = make_problem(len(eps))
    trace = make_trace(problem)
    trace.best = np.array(eps)
    plot(make_result(problem, trace), tmp_path / "odd.png", dpi=40)


def test_no_text_leaves_the_figure_or_covers_another() -> None:
    figure = draw(make_result())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [
        (item.get_text(), item.get_window_extent(renderer).padded(-1.0))
        for item in figure.findobj(Text)
        if item.get_visible() and item.get_text() and item.axes is not None
        if item not in item.axes.get_xticklabels() + item.axes.get_yticklabels()
    ]
    whole = figure.bbox
    for number, (text, box) in enumerate(boxes):
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1, text
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1, text
        for other, other_box in boxes[number + 1 :]:
            assert not box.overlaps(other_box), f"{text!r} and {other!r}"


@pytest.mark.parametrize("dollar", ["$10_to_$20", "$", r"\$5$", "a$b$c"])
def test_labels_are_printed_as_they_are(dollar: str, tmp_path: Path) -> None:
    """What stands between two dollar signs is no formula."""
    names = np.array(["3", dollar, f"{dollar} or 9"])
    ds = make_result().assign_coords(label=names)
    ds = ds.assign_attrs(
        targets=json.dumps([names[2]]),
        object_label=f"{dollar}, {dollar}{dollar}",
        name=dollar,
        classifier_file=f"{dollar}{dollar}.onnx",
    )
    plot(ds, tmp_path / "dollars.svg", dpi=40)
    figure = draw(ds)
    assert any(dollar in word for word in texts(figure))
    for item in figure.findobj(Text):
        said = re.sub(r"^\$\\bf\{[a-g]\}\$", "", item.get_text())
        assert not item.get_parse_math() or dollar not in said


def test_numbers_of_layers_are_whole() -> None:
    figure = draw(make_result(make_problem(4)))
    FigureCanvasAgg(figure).draw()
    axes = [each for each in figure.findobj(mpl.axes.Axes) if isinstance(each, mpl.axes.Axes)]
    wanted = "layer (0 is the object)"
    found = [each.xaxis for each in axes if each.get_xlabel() == wanted]
    found += [each.yaxis for each in axes if each.get_ylabel() == wanted]
    assert len(found) == 2
    for axis in found:
        numbers = {label.get_text() for label in axis.get_ticklabels()}
        assert {"0", "1", "2", "3"} <= numbers
        assert not any("." in number for number in numbers)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_the_file_is_written_and_global_settings_stay(tmp_path: Path, ending: str) -> None:
    before = dict(mpl.rcParams)
    path = tmp_path / "folder" / f"figure.{ending}"
    plot(make_result(), path, dpi=50)
    assert path.stat().st_size > 10_000
    assert dict(mpl.rcParams) == before
    if ending == "png":
        with Image.open(path) as image:
            assert image.size[0] == 13 * 50


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(DataError, match="the figure cannot be written"):
        plot(without_witnesses(), tmp_path / "file" / "figure.png")
    with pytest.raises(DataError, match="the figure cannot be written"):
        plot(without_witnesses(), tmp_path / "figure.docx")


def test_the_gallery_spreads_over_the_layers() -> None:
    ds = make_result()
    assert chosen(ds) == [0, 3]
    many = ds.isel(layer=np.zeros(20, dtype=int))
    assert len(chosen(many)) == FIGURE.gallery_images
    assert chosen(many)[0] == 0
    assert chosen(many)[-1] == 19
    assert chosen(without_witnesses()) == []


def test_radius_ranges_hold_all_positive_radii() -> None:
    assert epsilon_range(np.zeros(3)) == (0.001, 1.0)
    assert epsilon_range(np.array([0.0, 0.01, 0.5])) == (0.01, 0.5)
    low, high = epsilon_range(np.array([0.2, 0.2]))
    assert low < 0.2 < high


def test_iterations_of_the_proposal_have_three_panels() -> None:
    trace = make_trace(make_problem())
    rng = np.random.default_rng(0)
    for number in range(5):
        move = Move.SHRINKAGE if number % 2 else Move.EXPANSION
        outcome = Outcome.VIOLATED if number % 2 == 0 else Outcome.ROBUST
        weights, gradient = rng.random(6), -rng.random(6)
        trace.iterations.append(
            Iteration(move, rng.random(6), outcome, 0.5, gradient, weights, 1.0, float(number))
        )
    plain, with_loop = draw(make_result()), draw(make_result(trace=trace))
    words = texts(with_loop)
    for title in ("Value tried in each iteration", "Gradient of the margin", "Weights of each"):
        assert sum(title in word for word in words) == 1
    for label in ("expansion: violated", "shrinkage: robust"):
        assert label in words
    assert with_loop.get_figheight() == plain.get_figheight() + FIGURE.curve_height
