"""``mlspec labels``: the same answer as table, JSON, CSV, netCDF and figure."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import xarray as xr
from cli_cases import SMALL, controls, mlspec
from rich.console import Console

from mlspec import labels, load_spec
from mlspec.report.label_table import labels_report

FAR = (SMALL, "--eps", "0.0015")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_table_fits_the_terminal(columns: int) -> None:
    console = Console(file=StringIO(), width=columns)
    console.print(labels_report(labels(load_spec(SMALL), 0.0015)))
    assert isinstance(console.file, StringIO)
    printed = console.file.getvalue()
    assert printed.startswith("8 is always predicted; 1 and 2 only on some images")
    assert controls(printed) == set()
    lines = [line.rstrip() for line in printed.splitlines()]
    assert max(map(len, lines)) <= columns
    rows = [line.split() for line in lines if line.startswith(tuple("0123456789"))]
    assert next(row[1] for row in rows if row[0] == "2") == "either"
    assert "10 of 10 labels decided without a MILP" in printed


def test_all_formats_say_the_same(tmp_path: Path) -> None:
    ran = mlspec(
        *("labels", *FAR, "--format", "json", "-o", "l.nc", "--figure", "l.png"), cwd=tmp_path
    )
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    ds = xr.load_dataset(tmp_path / "l.nc")
    standings = {row["label"]: row["standing"] for row in found["labels"]}
    assert standings == dict(zip(ds["label"].values, ds["standing"].values, strict=True))
    assert ["8", "0"] in found["above"]
    rows = list(
        csv.DictReader(StringIO(mlspec("labels", *FAR, "--format", "csv", cwd=tmp_path).out))
    )
    assert {row["label"]: row["standing"] for row in rows} == standings
    assert {row["label"]: float(row["score"]) for row in rows} == {
        row["label"]: row["score"] for row in found["labels"]
    }
    picture = matplotlib.image.imread(tmp_path / "l.png")
    assert picture.shape[1] == 1500
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 100


def test_an_unknown_label_is_bad_news_with_its_reason(tmp_path: Path) -> None:
    options = ("--set", "verifier.bounds=interval", "--set", "verifier.milp.seconds=1.0e-3")
    hard = ("specs/none_img3.yaml", "--eps", "0.001", "--set", "image.index=18")
    ran = mlspec("labels", *hard, *options, cwd=tmp_path)
    assert ran.code == 1
    assert "not decided" in ran.out
    assert "verifier.milp.seconds" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((SMALL,), "a spec needs --eps V"),
        ((SMALL, "--eps", "2"), "--eps: epsilons lie in [0, 1]"),
        ((SMALL, "--eps", "0.1,0.1"), "2 epsilons for 3 layers"),
        ((SMALL, "--eps", "0.1", "-o", "."), "cannot be written"),
        (("missing.nc",), "missing.nc: there is no such"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ran = mlspec("labels", *arguments, cwd=tmp_path)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_result_has_its_own_epsilons(solved: Path, tmp_path: Path) -> None:
    ran = mlspec("labels", solved, cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert "always predicted" in ran.out
    refused = mlspec("labels", solved, "--eps", "0.1", cwd=tmp_path)
    assert refused.code == 2
    assert "leave --eps and --set out" in refused.err
