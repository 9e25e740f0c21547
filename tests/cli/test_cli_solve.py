"""Budgets are kept, and a search goes on from its own result only."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from cli_cases import FRUGAL, SMALL, mlspec

from mlspec import open_result

LARGE = ("specs/pgd_img3.yaml", "--set", "classifier.onnx=specs/classifiers/large.onnx")
"""Seconds go into a single bound, and most of a minute into a model."""


@pytest.mark.parametrize("spec", [(SMALL,), LARGE])
def test_a_budget_is_kept(spec: tuple[str, ...], tmp_path: Path) -> None:
    began = time.monotonic()
    ran = mlspec("solve", *spec, "--budget", "10", "-o", "r.nc", cwd=tmp_path)
    took = time.monotonic() - began
    ds = open_result(tmp_path / "r.nc")
    assert ran.code == 0
    assert ds.attrs["wall_seconds"] <= took <= 13.0


def test_going_on_never_loses(solved: Path, tmp_path: Path) -> None:
    (tmp_path / "r.nc").write_bytes(solved.read_bytes())
    before = open_result(solved)
    ran = mlspec("solve", SMALL, *FRUGAL, "--resume", "-o", "r.nc", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    after = open_result(tmp_path / "r.nc")
    assert float(after["size"]) >= float(before["size"])
    assert float(after["upper_bound"]) <= float(before["upper_bound"]) + 1e-9
    assert "resumed" in after["step_note"].values.tolist()
    known = {cut.tobytes() for cut in before["cut_extents"].values}
    assert known <= {cut.tobytes() for cut in after["cut_extents"].values}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--budget", "1.0e-3"], "budget: seconds spent"),
        (["--set", "verifier.bounds=interval", "--set", "verifier.milp.seconds=1.0e-3"], ""),
    ],
)
def test_what_cannot_be_proved_again_is_not_lost(
    options: list[str], why: str, solved: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.nc").write_bytes(solved.read_bytes())
    ran = mlspec("solve", SMALL, *options, "--resume", "-o", "r.nc", cwd=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("the earlier result could not be proved again (")
    assert why in ran.err
    assert ran.err.endswith("r.nc stays as it is\n")
    assert (tmp_path / "r.nc").read_bytes() == solved.read_bytes()


def test_a_better_result_is_never_replaced_by_a_lesser_one(solved: Path, tmp_path: Path) -> None:
    (tmp_path / "r.nc").write_bytes(solved.read_bytes())
    ran = mlspec("solve", SMALL, "--budget", "1.0e-6", "-o", "r.nc", cwd=tmp_path)
    lines = ran.out.splitlines()
    assert lines[0].startswith("r.nc holds an earlier result of size 0.00")
    assert lines[0].endswith(", which only a better one replaces; --resume goes on from it")
    assert lines[-2:] == [
        "the earlier result in r.nc is better and stays; --force replaces it",
        "saved in r.1.nc",
    ]
    assert (tmp_path / "r.nc").read_bytes() == solved.read_bytes()
    assert float(open_result(tmp_path / "r.1.nc")["size"]) == 0.0
    mlspec("solve", SMALL, "--budget", "1.0e-6", "-o", "r.nc", cwd=tmp_path)
    assert (tmp_path / "r.2.nc").exists()
    ran = mlspec("solve", SMALL, "--budget", "1.0e-6", "-o", "r.nc", "--force", cwd=tmp_path)
    assert ran.out.splitlines()[-1] == "saved in r.nc"
    assert float(open_result(tmp_path / "r.nc")["size"]) == 0.0


def test_a_result_of_another_question_is_replaced_and_that_is_said(
    solved: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.nc").write_bytes(solved.read_bytes())
    options = ["--budget", "1.0e-6", "-o", "r.nc", "--set", "weights=uniform"]
    ran = mlspec("solve", SMALL, *options, cwd=tmp_path)
    said = "r.nc holds a result that is going to be replaced (it differs in weights)"
    assert ran.out.splitlines()[0] == said
    assert [file.name for file in tmp_path.iterdir()] == ["r.nc"]
    assert float(open_result(tmp_path / "r.nc")["size"]) == 0.0


def test_what_is_no_result_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.nc").write_text("precious")
    ran = mlspec("solve", SMALL, "--budget", "1.0e-6", "-o", "notes.nc", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("notes.nc: not a netCDF file")
    assert ran.err.endswith("give another place, or --force to replace it\n")
    assert (tmp_path / "notes.nc").read_text() == "precious"
    options = ["--budget", "1.0e-6", "-o", "notes.nc", "--force", "--quiet"]
    assert mlspec("solve", SMALL, *options, cwd=tmp_path).out == "notes.nc\n"
    assert open_result(tmp_path / "notes.nc")


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "link.nc").symlink_to("real.nc")
    ran = mlspec("solve", SMALL, "--budget", "1.0e-6", "-o", "link.nc", cwd=tmp_path)
    assert ran.code == 1
    assert (tmp_path / "link.nc").is_symlink()
    assert not (tmp_path / "real.nc").is_symlink()
    assert open_result(tmp_path / "real.nc")


def test_the_answer_is_short_unless_more_is_wanted(solved: Path, tmp_path: Path) -> None:
    ran = mlspec("solve", SMALL, "--budget", "1.0e-6", cwd=tmp_path)
    assert (ran.code, ran.err) == (1, "")
    assert len(ran.out.splitlines()) <= 10
    assert "Nothing certified yet" in ran.out
    assert "stopped " in ran.out
    assert ran.out.splitlines()[-1] == f"saved in {Path('results') / 'small.nc'}"
    ran = mlspec("solve", SMALL, "--verbose", "--quiet", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")


def test_there_need_be_nothing_to_go_on_from(tmp_path: Path) -> None:
    ran = mlspec("solve", SMALL, *FRUGAL, "--resume", "-o", "new.nc", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert float(open_result(tmp_path / "new.nc")["size"]) > 0.0


@pytest.mark.parametrize(
    "other",
    ["classifier.onnx=specs/classifiers/large.onnx", "layers.count=1", "distance=l1"],
)
def test_the_result_of_another_question_is_refused(
    other: str, solved: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.nc").write_bytes(solved.read_bytes())
    ran = mlspec("solve", SMALL, "--set", other, "--resume", "-o", "r.nc", cwd=tmp_path)
    assert ran.code == 2
    assert "the result to resume from answers another question" in ran.err
    assert (tmp_path / "r.nc").read_bytes() == solved.read_bytes()


def test_a_damaged_file_to_go_on_from_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.nc").write_bytes(b"junk")
    ran = mlspec("solve", SMALL, "--resume", "-o", "r.nc", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "r.nc: not a netCDF file" in ran.err


def test_nothing_certified_is_bad_news(tmp_path: Path) -> None:
    """Without time there is no neighborhood; the file is there, and a script notices."""
    ran = mlspec("solve", SMALL, "--budget", "1.0e-6", "-o", "r.nc", cwd=tmp_path)
    assert ran.code == 1
    ds = open_result(tmp_path / "r.nc")
    assert not np.any(ds["epsilon"].values)
    assert ds.attrs["stop_reason"] == "budget: seconds"
