"""What a result means, in sentences that say what the arrays say."""

from __future__ import annotations

import re
from io import StringIO

import numpy as np
import pytest
import xarray as xr
from report_cases import beyond, make_problem, make_result, make_trace
from rich.console import Console

from mlspec import explain
from mlspec.core.network import Array
from mlspec.core.trace import Block, StopReason, Trace
from mlspec.errors import InputError
from mlspec.report.comparison import comparison
from mlspec.report.explanation import (
    breaking,
    changes,
    difference_lines,
    headline,
    limit,
    reasons,
    spending,
)

EPS = np.array([0.1, 0.05, 0.02])


def result(
    eps: Array = EPS,
    slopes: Array | None = None,
    blocked: tuple[int, ...] = (0,),
    stop: StopReason = StopReason.SECONDS,
) -> xr.Dataset:
    problem = make_problem(len(eps))
    trace = Trace(len(eps))
    trace.best, trace.stop = np.asarray(eps), stop
    if slopes is not None:
        trace.margin_slopes = slopes
    for layer in blocked:
        cut = beyond(problem, trace.best, layer)
        trace.cuts.append(cut)
        trace.blocked[layer] = (Block.WITNESS, cut)
    return make_result(problem, trace)


def test_the_headline_leads_with_what_was_maximised() -> None:
    ds = result()
    size = float(ds["size"])
    assert headline(ds).startswith(f"size w·ε = {size:.4g}: label 9 stays predicted while the 3")
    other = ds.assign_attrs(objective="max_min")
    assert headline(other).startswith("max_min: min ε/w = ")
    nothing = result(np.zeros(3), blocked=())
    assert headline(nothing).startswith("nothing certified yet")
    assert reasons(nothing) == []


def test_what_breaks_first_is_the_image_nearest_beyond() -> None:
    ds = result(blocked=(0,))
    extent = float(ds["cut_extents"].values[0, 0])
    said = breaking(ds)
    assert said.startswith("first to break: 9 is lost to 8, when layer 0 moves by ")
    assert float(re.findall(r"by (\S+) instead", said)[0]) == pytest.approx(extent, rel=5e-3)
    assert said.endswith("instead of 0.100")
    assert breaking(result(blocked=())) == ""


def test_a_violation_by_several_layers_names_them() -> None:
    ds = result(blocked=(0,))
    ds["cut_extents"].values[0] = [0.11, 0.0575, 0.02]
    assert breaking(ds) == (
        "first to break: 9 is lost to 8, when layers 0-1 move by up to 0.0100 beyond their epsilons"
    )


def test_shares_of_the_margin_add_up() -> None:
    ds = result(slopes=np.array([-6.0, -4.0, -0.01]))
    shares = [ds.mlspec.margin_share(layer) for layer in range(3)]
    assert sum(shares) == pytest.approx(1.0)
    assert shares[0] == pytest.approx(0.6 / 0.8002)
    assert ds.mlspec.sensitivity(1) == 4.0
    assert spending(ds) == (
        "the margin is used up by layer 0 (75 %) and layer 1 (25 %); layer 2 is nearly free (0.0 %)"
    )


def test_who_does_not_know_the_shares_says_nothing_of_them() -> None:
    ds = result()
    assert spending(ds) == ""
    for ask in (ds.mlspec.margin_share, ds.mlspec.sensitivity):
        with pytest.raises(InputError, match="solve again with more time"):
            ask(0)
        with pytest.raises(InputError, match="there is no layer 3"):
            ask(3)
    assert spending(ds.drop_vars("margin_slope")) == ""


@pytest.mark.parametrize(
    ("blocked", "stop", "said"),
    [
        ((0, 1, 2), StopReason.MAXIMAL, "no layer can grow alone"),
        (
            (0,),
            StopReason.SECONDS,
            "limited by time: 1 of 3 layers known to be maximal (budget of seconds spent)",
        ),
        (
            (),
            StopReason.INTERRUPTED,
            "limited by time: 0 of 3 layers known to be maximal (interrupted)",
        ),
        (
            (0,),
            StopReason.OPTIMAL,
            "known to be maximal: 1 of 3 layers (within the gap of the upper bound)",
        ),
        (
            (0, 1),
            StopReason.STALLED,
            "known to be maximal: 2 of 3 layers (no larger neighborhood was certified)",
        ),
    ],
)
def test_what_limits_the_answer(blocked: tuple[int, ...], stop: StopReason, said: str) -> None:
    assert limit(result(blocked=blocked, stop=stop)) == said


def test_an_explanation_is_a_few_sentences() -> None:
    text = explain(result(slopes=np.array([-6.0, -4.0, -1.0])))
    sentences = text.rstrip(".").split(". ")
    assert len(sentences) == 4
    assert all(sentence[0].isupper() for sentence in sentences)


def test_a_comparison_of_two_lists_the_largest_difference_first() -> None:
    first, second = result(), result(np.array([0.15, 0.01, 0.02]))
    found = changes(first, second)
    assert found is not None
    assert found == pytest.approx([0.05, -0.04, 0.0])
    assert difference_lines([first, second], ["a", "b"]) == [
        "b against a, the largest change first:",
        "  layer 0: ±0.100 → ±0.150 (1.50 ×)",
        "  layer 1: ±0.0500 → ±0.0100 (0.20 ×)",
    ]
    console = Console(file=StringIO(), width=100)
    console.print(comparison([first, second], ["a.nc", "b.nc"]))
    assert isinstance(console.file, StringIO)
    assert "b against a, the largest change first:" in console.file.getvalue()


def test_results_whose_layers_do_not_correspond_are_not_compared() -> None:
    first, second = result(), result(np.array([0.1, 0.1]))
    assert changes(first, second) is None
    assert difference_lines([first, second], ["a", "b"]) == []
    same = difference_lines([first, first], ["a", "b"])
    assert same == ["b and a certify the same epsilons."]


def test_many_changes_are_summed_up() -> None:
    eps = np.linspace(0.01, 0.12, 12)
    one, other = result(eps, blocked=()), result(2.0 * eps, blocked=())
    lines = difference_lines([one, other], ["a", "b"])
    assert len(lines) == 1 + 8 + 1
    assert lines[1].startswith("  layer 11: ")
    assert lines[-1] == "  and 4 more: 4 larger, 0 smaller"


def test_a_trace_of_a_search_is_explained() -> None:
    assert explain(make_result(trace=make_trace(make_problem()))).startswith("Size w·ε = ")
